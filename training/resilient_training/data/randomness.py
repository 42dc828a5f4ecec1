"""Seeds that are a pure function of the place in a training."""

from __future__ import annotations

import hashlib
import random
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


# What its stubs do not know.
_NUMPY: Any = np.random
_SPARE: list[np.random.MT19937] = []


def seed_for(*key: int) -> int:
    """Mix whole numbers into one seed; neighbouring keys give unrelated seeds."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_from(*key: int) -> None:
    """Seed torch, numpy and random from whole numbers.

    Call it before each step with the seed and the step, and a resumed training draws what an
    unbroken one would have drawn.
    """
    seed = seed_for(*key)
    _seed_torch(seed)
    _seed_rest(seed)


@contextmanager
def drawing(*key: int) -> Iterator[None]:
    """Seed the three as `seed_from` does, of torch the CPU's, and put all back after the block."""
    before = torch.default_generator.get_state(), _NUMPY.get_bit_generator(), random.getstate()
    # To put numpy's state itself back takes 0.2 ms, and to make a generator 0.1 ms.
    spare = _SPARE.pop() if _SPARE else np.random.MT19937()
    _NUMPY.set_bit_generator(spare)
    seed = seed_for(*key)
    torch.default_generator.manual_seed(seed)
    _seed_rest(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before[0])
        _NUMPY.set_bit_generator(before[1])
        random.setstate(before[2])
        _SPARE.append(spare)


def _seed_rest(seed: int) -> None:
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the legacy generator is what augmentations draw from
    random.seed(seed)


def _seed_torch(seed: int) -> None:
    """As torch.manual_seed, which takes 1 ms to note who seeds a GPU that nobody uses."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # of torch
        torch.default_generator.manual_seed(seed)
        torch.cuda.manual_seed_all(seed)
    elif _has_accelerator():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@cache
def _has_accelerator() -> bool:
    return torch.accelerator.is_available()
