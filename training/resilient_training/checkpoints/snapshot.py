"""The state of one step, apart from the training that goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from pathlib import Path


class Snapshot(Protocol):
    """What is saved of a step; the training may go on and change what it was taken of."""

    def write(self, file: Path) -> None:
        """Write all of it into the one file."""


@dataclass(frozen=True)
class StateSnapshot:
    """Tensors and plain values, as `torch.save` writes and a `weights_only` load reads them."""

    state: dict[str, Any]

    def write(self, file: Path) -> None:
        torch.save(self.state, file)
