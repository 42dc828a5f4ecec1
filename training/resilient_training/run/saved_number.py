"""A number out of a file of `torch.save`, without torch, and without running what is pickled."""

from __future__ import annotations

import pickletools
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 64 << 20
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1"})
_BETWEEN = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
_MOST_STEPS = 1 << 40


def number_after(path: Path, key: str) -> int | None:
    """The whole number that stands behind the first `key` of a dict in the pickle.

    None: the file is no zip of `torch.save`, or has no such key. The tensors are not read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _number_in(archive, key)
    # What zipfile and pickletools raise of damaged input; a file that is gone is the caller's.
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError):
        return None


def _number_in(archive: zipfile.ZipFile, key: str) -> int | None:
    pickles = [entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].file_size > _MOST_BYTES:
        return None
    opcodes = pickletools.genops(archive.read(pickles[0]))
    return next(_numbers_after(((opcode.name, arg) for opcode, arg, _ in opcodes), key), None)


def _numbers_after(opcodes: Iterator[tuple[str, object]], key: str) -> Iterator[int]:
    behind = False
    for name, argument in opcodes:
        if behind and name in _NUMBERS and isinstance(argument, int) and argument < _MOST_STEPS:
            yield argument
        behind = argument == key or (behind and name in _BETWEEN)
