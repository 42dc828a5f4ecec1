"""Which parts of which storages a state's tensors show, and how to copy each part once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from torch import Tensor

# Below this part of the numbers between their ends, views are copied one by one.
_DENSE = 0.5


class Region(Protocol):
    """Some numbers of one storage, with all tensors that show them."""

    @property
    def device(self) -> torch.device:
        """Where the numbers are."""

    @property
    def size(self) -> int:
        """In bytes."""

    def fill(self, buffer: Tensor) -> None:
        """Copy the numbers into `buffer`, of `size` bytes, and let the targets show them."""


@dataclass(frozen=True)
class View:
    """A tensor that shows elements of a storage from `low` up to, not with, `high`."""

    source: Tensor
    target: Tensor
    low: int
    high: int


@dataclass(frozen=True)
class Block:
    """A tensor alone on its storage and without gaps, as nearly all are."""

    source: Tensor
    target: Tensor

    @property
    def device(self) -> torch.device:
        return self.source.device

    @property
    def size(self) -> int:
        return self.source.nbytes

    def fill(self, buffer: Tensor) -> None:
        source = self.source
        self.target.set_(buffer.untyped_storage(), 0, source.size(), source.stride())
        _copy(source, self.target)


@dataclass(frozen=True)
class Stretch:
    """All elements of a storage from `low` up to, not with, `high`."""

    views: Sequence[View]
    low: int
    high: int

    @property
    def device(self) -> torch.device:
        return self.views[0].source.device

    @property
    def size(self) -> int:
        return (self.high - self.low) * self.views[0].source.element_size()

    def fill(self, buffer: Tensor) -> None:
        source, count = self.views[0].source, (self.high - self.low,)
        storage = buffer.untyped_storage()
        flat = torch.empty(0, dtype=source.dtype).set_(storage, 0, count, (1,))
        _copy(source.as_strided(count, (1,), self.low), flat)
        for view in self.views:
            at = view.low - self.low
            view.target.set_(storage, at, view.source.size(), view.source.stride())


@dataclass(frozen=True)
class Extract:
    """What one pattern shows of a storage of which it shows little."""

    views: Sequence[View]

    @property
    def device(self) -> torch.device:
        return self.views[0].source.device

    @property
    def size(self) -> int:
        return self.views[0].source.nbytes

    def fill(self, buffer: Tensor) -> None:
        source = self.views[0].source
        whole = torch.empty(0, dtype=source.dtype)
        whole.set_(buffer.untyped_storage(), 0, (source.numel(),), (1,))
        shaped = whole.view(source.shape)
        _copy(source, shaped)
        for view in self.views:
            view.target.set_(buffer.untyped_storage(), 0, shaped.size(), shaped.stride())


def regions_of(pairs: Iterable[tuple[Tensor, Tensor]]) -> list[Region]:
    """What has to be copied so that each pair's second shows what its first does."""
    storages: dict[Hashable, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for pair in pairs:
        storages[_storage_key(pair[0])].append(pair)
    return [region for pairs in storages.values() for region in _regions(pairs)]


def _storage_key(tensor: Tensor) -> Hashable:
    # torch.save refuses one storage that is seen as two types.
    return tensor.untyped_storage().data_ptr() or id(tensor), tensor.dtype, tensor.device


def _regions(pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterable[Region]:
    if len(pairs) == 1 and pairs[0][0].is_contiguous():
        return [Block(*pairs[0])]
    views = [_view(*pair) for pair in pairs]
    low, high = min(view.low for view in views), max(view.high for view in views)
    if sum(view.source.numel() for view in views) >= _DENSE * (high - low):
        return [Stretch(views, low, high)]
    patterns: dict[Hashable, list[View]] = defaultdict(list)
    for view in views:
        patterns[view.low, view.source.shape, view.source.stride()].append(view)
    return map(Extract, patterns.values())


def _view(source: Tensor, target: Tensor) -> View:
    low = int(source.storage_offset())
    if source.numel() == 0:
        return View(source, target, low, low)
    steps = zip(source.shape, source.stride(), strict=True)
    span = sum((size - 1) * stride for size, stride in steps)
    return View(source, target, low, low + 1 + int(span))


def _copy(source: Tensor, target: Tensor) -> None:
    target.copy_(source, non_blocking=source.device.type == "cuda")
