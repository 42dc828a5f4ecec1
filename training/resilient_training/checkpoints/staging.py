"""A copy of a training's state that the training cannot change, in buffers kept over all saves.

Not torch's `DefaultStager`: that copies the whole storage under each tensor, however little of it
the tensor shows, and allocates anew wherever a framework hands out fresh tensors at each save.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

import torch

from resilient_training.checkpoints.copied_tree import CopiedTree
from resilient_training.checkpoints.regions import Region, regions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

State = TypeVar("State")


class BuffersInUseError(RuntimeError):
    """The buffers hold a state that has not been released yet."""


class Stager:
    """Copies states into buffers in main memory, one state at a time.

    A state is nested dicts, lists and tuples of tensors and other values. Tensors that share memory
    share it in the copy. Buffers are pinned where CUDA is in use. Not thread-safe.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[Tensor]] = defaultdict(list)
        self._used: list[Tensor] = []
        self._in_use = False

    def stage(self, state: State) -> State:
        """Copy `state`; the copy is valid until `release`.

        Raises:
            BuffersInUseError: the last copy has not been released.
        """
        if self._in_use:
            raise BuffersInUseError("the last staged state is still being read: release it first")
        tree = CopiedTree()
        copied = tree.copied(state)
        with torch.no_grad():
            self._fill(regions_of(tree.pairs))
        self._in_use = True
        return copied

    def release(self) -> None:
        """Let the next state have the buffers; what was staged is no longer valid."""
        for buffer in self._used:
            self._free[buffer.nbytes].append(buffer)
        self._used = []
        self._in_use = False

    def prepare(self, sizes: Sequence[int]) -> None:
        """Make buffers of these sizes (`sizes_of`), which the first save then need not wait for."""
        for size in self._keep_only(sizes):
            self._free[size].append(_new_buffer(size))

    def close(self) -> None:
        """Give the memory back."""
        self.release()
        self._free.clear()

    def _fill(self, regions: Sequence[Region]) -> None:
        # What no tensor of this state fits into goes before anything is made anew: one copy is all.
        self._keep_only([region.size for region in regions])
        for region in regions:
            region.fill(self._buffer(region.size))
        for device in {region.device for region in regions if region.device.type == "cuda"}:
            torch.cuda.current_stream(device).synchronize()

    def _buffer(self, size: int) -> Tensor:
        fitting = self._free[size]
        buffer = fitting.pop() if fitting else _new_buffer(size)
        self._used.append(buffer)
        return buffer

    def _keep_only(self, sizes: Sequence[int]) -> list[int]:
        """Drop the free buffers that these sizes do not need; gives the sizes that lack one."""
        kept: dict[int, list[Tensor]] = defaultdict(list)
        lacking = []
        for size in sizes:
            if self._free[size]:
                kept[size].append(self._free[size].pop())
            else:
                lacking.append(size)
        self._free = kept
        return lacking


def sizes_of(state: object) -> list[int]:
    """The bytes of each buffer that staging `state` needs."""
    tree = CopiedTree()
    tree.copied(state)
    return [region.size for region in regions_of(tree.pairs)]


def _new_buffer(size: int) -> Tensor:
    buffer = torch.empty(size, dtype=torch.uint8)
    if size and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # of torch
        _pin(buffer)
    else:
        buffer.zero_()  # the kernel hands out pages at the first touch, which takes its time
    return buffer


def _pin(buffer: Tensor) -> None:
    # torch's own pinned allocator takes the next power of two: up to twice the memory.
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]  # of torch
    address = buffer.data_ptr()
    torch.cuda.check_error(int(runtime.cudaHostRegister(address, buffer.nbytes, 0)))
    # Not at exit, when CUDA may be gone.
    weakref.finalize(buffer, runtime.cudaHostUnregister, address).atexit = False
