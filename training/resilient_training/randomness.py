"""Seeds that are a pure function of the place in a training."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


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
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the legacy generator is what augmentations draw from
    random.seed(seed)
