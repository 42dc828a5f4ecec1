"""A copy of tensors, in buffers that are kept from one copy to the next."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Buffers:
    """Placeholder of checkpoints/staging.py."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Tensor] = {}

    def stage(self, state: Any) -> Any:  # noqa: ANN401 - a tree of anything
        return self._stage(state, ())

    def _stage(self, value: Any, path: tuple[object, ...]) -> Any:  # noqa: ANN401 - as above
        if isinstance(value, Tensor):
            return self._copy(value, path)
        if isinstance(value, dict):
            return {key: self._stage(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._stage(one, (*path, at)) for at, one in enumerate(value))
        return value

    def _copy(self, tensor: Tensor, path: tuple[object, ...]) -> Tensor:
        kept = self._kept.get(path)
        if kept is None or kept.shape != tensor.shape or kept.dtype != tensor.dtype:
            kept = self._kept[path] = torch.empty_like(tensor, device="cpu")
        kept.copy_(tensor.detach())
        return kept
