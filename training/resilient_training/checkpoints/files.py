"""Files that are whole or absent."""

from __future__ import annotations

import hashlib
import os
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def free_path(directory: Path, taken: Collection[Path | None]) -> Path:
    """The first name that holds nothing of value.

    Names are used again, and nothing is deleted. SageMaker may mirror this directory to S3, for all
    attempts and hosts in one prefix: a prefix that grows with every checkpoint is one day too large
    to restore, and what is deleted here is deleted there. Nothing is resumed from the mirror.
    """
    names = (directory / f"checkpoint-{number}.ckpt" for number in count())
    return next(path for path in names if path not in taken)


def write_atomically(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, make it durable, then give it its name in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name("unfinished.partial")
    write(partial)
    _sync(partial)
    partial.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
