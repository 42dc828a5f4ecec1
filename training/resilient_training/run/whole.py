"""Whether a file was written to its end, by what its own format says of its end.

A writer that is killed, or has not finished, leaves the beginning of a file. The formats below show
that: a zip (all that `torch.save` writes) ends with a directory, safetensors and HDF5 say how long
they are, the JSON
of a framework has a last bracket. Of any other format nothing is known, and it counts as whole.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A file of another name may end with .json and hold lines of it, or text.
_JSON = frozenset({"trainer_state.json", "training_metadata.json"})
_MOST_JSON = 64 << 20
_MOST_COMMENT = (1 << 16) - 1
_ZIP_END = struct.Struct("<4s4H2LH")
_ZIP64_PLACE = struct.Struct("<4sLQL")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_TOO_LARGE = 0xFFFFFFFF
_TENSORS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".h5")
_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
# Where the superblock of each version says how long the file is, in bytes from its beginning.
_HDF5_LENGTH = {0: 40, 1: 44, 2: 28, 3: 28}


def flaw(path: Path, name: str | None = None) -> str | None:
    """Why the file cannot be whole, in a few words; None: nothing speaks against it.

    Args:
        path: The file.
        name: What it is called in the checkpoint, where `path` has another name.

    Raises:
        FileNotFoundError: it is gone.
    """
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(48)
    size = path.stat().st_size
    check = _check_for(name, head)
    return None if check is None else check(path, head, size)


def _check_for(name: str, head: bytes) -> Callable[[Path, bytes, int], str | None] | None:
    if name.rpartition("/")[2] in _JSON or name.endswith(".index.json"):
        return _json_flaw
    if name.endswith(".safetensors"):
        return _safetensors_flaw
    # A shard of torch.distributed.checkpoint is zips one after the other: .metadata knows its size.
    if head.startswith(_ZIP) and not name.endswith(".distcp"):
        return _zip_flaw
    if head.startswith(_HDF5):
        return _hdf5_flaw
    # A file that has few bytes yet does not show its format; nothing else ends so.
    if name.endswith(_TENSORS) and any(form.startswith(head) for form in (_ZIP, _HDF5)):
        return lambda *_: "ends in its header" if head else "is empty"
    return None


def _json_flaw(path: Path, _head: bytes, size: int) -> str | None:
    if size > _MOST_JSON:
        return None
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return "is no whole JSON"
    return None


def _safetensors_flaw(path: Path, head: bytes, size: int) -> str | None:
    length = int.from_bytes(head[:8], "little")
    if len(head) < 8 or length > size - 8:  # noqa: PLR2004 — the length of the header takes 8 bytes
        return "ends in its header"
    with path.open("rb") as file:
        file.seek(8)
        try:
            ends = [_end_of(entry) for entry in json.loads(file.read(length)).values()]
        except (ValueError, AttributeError, TypeError, RecursionError):
            return "has no header that can be read"
    needed = 8 + length + max(ends, default=0)
    return None if size == needed else f"has {size:,} of {needed:,} bytes"


def _end_of(entry: Any) -> int:  # noqa: ANN401 — of a stranger's JSON
    """Of `__metadata__`, which is no tensor, 0."""
    return int(entry.get("data_offsets", (0, 0))[1])


def _hdf5_flaw(_path: Path, head: bytes, size: int) -> str | None:
    at = _HDF5_LENGTH.get(head[8]) if len(head) > 8 else None  # noqa: PLR2004 — the signature
    if at is None or len(head) < 48:  # noqa: PLR2004 — a superblock has no less
        return "ends in its header"
    needed = int.from_bytes(head[at : at + 8], "little")
    return None if size >= needed else f"has {size:,} of {needed:,} bytes"


def _zip_flaw(path: Path, _head: bytes, size: int) -> str | None:
    with path.open("rb") as file:
        start = max(0, size - _ZIP_END.size - _ZIP64_PLACE.size - _ZIP64_END.size - _MOST_COMMENT)
        file.seek(start)
        tail = file.read()
    return None if _ends_as_zip(tail, start) else "is no whole zip"


def _ends_as_zip(tail: bytes, start: int) -> bool:
    """The directory stands right before its end, and says so; `tail` begins at byte `start`."""
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and not _is_end_of_zip(tail, start, at):
        at = tail.rfind(b"PK\x05\x06", 0, at)  # that was in the comment
    return at >= 0


def _is_end_of_zip(tail: bytes, start: int, at: int) -> bool:
    if len(tail) - at < _ZIP_END.size:
        return False
    *_, length, offset, comment = _ZIP_END.unpack_from(tail, at)
    if at + _ZIP_END.size + comment != len(tail):
        return False
    place = tail[max(0, at - _ZIP64_PLACE.size) : at]
    if _TOO_LARGE in (length, offset) or place.startswith(b"PK\x06\x07"):
        return _ends_as_zip64(tail, start, at)
    return bool(offset + length == start + at)


def _ends_as_zip64(tail: bytes, start: int, at: int) -> bool:
    place = at - _ZIP64_PLACE.size
    end = place - _ZIP64_END.size
    if end < 0 or not tail[end:].startswith(b"PK\x06\x06"):
        return False
    length, offset = _ZIP64_END.unpack_from(tail, end)[-2:]
    return bool(offset + length == start + end)
