"""A value out of a file of `torch.save`, without torch, and without running what is pickled."""

from __future__ import annotations

import pickletools  # nosec B403 - names opcodes, and runs none
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
    name, value = _behind(path, key)
    fits = name in _NUMBERS and isinstance(value, int) and value < _MOST_STEPS
    return value if fits and isinstance(value, int) else None


def is_none(path: Path, key: str) -> bool:
    """Whether None stands behind the first `key` of a dict in the pickle."""
    return _behind(path, key)[0] == "NONE"


def _behind(path: Path, key: str) -> tuple[str, object]:
    """The opcode behind the key, and its argument; empty: there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return next(_values(_opcodes(archive), key), ("", None))
    # What zipfile and pickletools raise of damaged input; a file that is gone is the caller's.
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError):
        return "", None


def _opcodes(archive: zipfile.ZipFile) -> Iterator[tuple[str, object]]:
    pickles = [entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl")]
    if len(pickles) == 1 and pickles[0].file_size <= _MOST_BYTES:
        for opcode, argument, _ in pickletools.genops(archive.read(pickles[0])):
            yield opcode.name, argument


def _values(opcodes: Iterator[tuple[str, object]], key: str) -> Iterator[tuple[str, object]]:
    behind = False
    for name, argument in opcodes:
        if behind and name not in _BETWEEN:
            yield name, argument
        behind = argument == key or (behind and name in _BETWEEN)
