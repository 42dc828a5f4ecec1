"""A state's containers and plain values, copied; its tensors, each with an empty one to fill."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")

_IMMUTABLE = frozenset(
    {int, float, bool, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size}
)


@dataclass
class CopiedTree:
    """Copies as `copy.deepcopy` does, but for tensors.

    `pairs` are the tensors found and the empty ones that stand for them in the copy.
    """

    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)  # as of copy.deepcopy

    def copied(self, value: Value) -> Value:
        copied: Value = self._copied(value)
        return copied

    def _copied(self, value: Any) -> Any:  # noqa: ANN401 - a state holds anything
        if type(value) in _IMMUTABLE:
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        return self._tensor(value) if isinstance(value, Tensor) else self._container(value)

    def _container(self, value: Any) -> Any:  # noqa: ANN401 - as above
        kind = type(value)
        if kind is dict or kind is OrderedDict:
            return self._mapping(value, kind())
        if kind is list:
            return self._list(value)
        if kind is tuple:
            return tuple(self._copied(one) for one in value)
        return copy.deepcopy(value, self.memo)

    def _mapping(self, value: dict[Any, Any], into: dict[Any, Any]) -> dict[Any, Any]:
        self.memo[id(value)] = into
        for key, one in value.items():
            into[self._copied(key)] = self._copied(one)
        if isinstance(value, OrderedDict):  # a module's state_dict has `_metadata` beside its items
            into.__dict__.update(self._copied(value.__dict__))
        return into

    def _list(self, value: list[Any]) -> list[Any]:
        into: list[Any] = []
        self.memo[id(value)] = into
        into.extend(self._copied(one) for one in value)
        return into

    def _tensor(self, value: Tensor) -> Tensor:
        into = self._empty(value) if _is_plain(value) else _clone(value)
        self.memo[id(value)] = into
        if value.__dict__:
            into.__dict__.update(self._copied(value.__dict__))
        return into

    def _empty(self, value: Tensor) -> Tensor:
        into = torch.empty(0, dtype=value.dtype)
        if type(value) is nn.Parameter:
            into = nn.Parameter(into, value.requires_grad)
        elif value.requires_grad:
            into.requires_grad_()
        self.pairs.append((value, into))
        return into


def _is_plain(tensor: Tensor) -> bool:
    """Whether numbers in a storage, by offset and strides, are all of it."""
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.layout is torch.strided
        and not (tensor.is_quantized or tensor.is_conj() or tensor.is_neg() or tensor.is_meta)
    )


def _clone(tensor: Tensor) -> Tensor:
    """Sparse, quantized and other rare ones: a copy in fresh memory."""
    apart = tensor.detach()
    return apart.clone() if apart.device.type == "cpu" else apart.cpu()
