"""Files that are whole or absent."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAME = re.compile(r"step=(\d+)\.ckpt")


def checkpoint_path(directory: Path, step: int) -> Path:
    return directory / f"step={step:09d}.ckpt"


def local_checkpoints(directory: Path) -> list[Path]:
    """The directory's checkpoints, lowest step first."""
    return sorted(path for path in directory.glob("step=*.ckpt") if _NAME.fullmatch(path.name))


def write_atomically(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, make it durable, then give it its name in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
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


def keep_newest(directory: Path, count: int, also: frozenset[Path]) -> None:
    """Delete the oldest checkpoints beyond `count`, and what a killed save left half written."""
    for path in directory.glob("step=*.partial"):
        path.unlink(missing_ok=True)
    for path in local_checkpoints(directory)[:-count]:
        if path not in also:
            path.unlink(missing_ok=True)
