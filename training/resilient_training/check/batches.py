"""What the model was given in each step: the order of the data, as far as it can be told."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_forward_pre_hook

if TYPE_CHECKING:
    from pathlib import Path

    from torch.nn import Module
    from torch.utils.hooks import RemovableHandle


class Batches:
    """Records a digest of each step's inputs: tensors without gradients that reach a module.

    Only modules that train are looked at, so a validation does not count.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._seen = False
        self._step = -1
        self._listens = False

    def listen(self) -> RemovableHandle:
        """Look at every module's inputs, until the handle is removed."""
        self._listens = True
        return register_module_forward_pre_hook(self._see)

    def _see(self, module: Module, inputs: tuple[Any, ...]) -> None:
        if module.training and torch.is_grad_enabled():
            for value in inputs:
                if isinstance(value, Tensor) and not value.requires_grad:
                    self._digest.update(bytes_of(value))
                    self._seen = True

    def end_step(self, step: int) -> None:
        """What came since the last step belongs to this one.

        Nothing came where a resumed training makes up what its last step still lacked.
        """
        if not self._listens or not self._seen or step <= self._step:
            return
        with self._file.open("a") as file:
            file.write(json.dumps([step, self._digest.hexdigest()]) + "\n")
        self._step = step
        self._digest = hashlib.sha256()
        self._seen = False

    def begin(self, step: int) -> None:
        self._step = step


def batches_in(file: Path) -> list[tuple[int, str]]:
    """Step and digest, in the order in which they came; none where there is no file."""
    if not file.exists():
        return []
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()]


def bytes_of(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).numpy().data)
