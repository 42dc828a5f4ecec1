"""What a checkpoint of torch.distributed.checkpoint consists of, read without running any of it.

`.metadata` is a pickle, and torch executes it. It names each file and where the parts of each begin
and end (torch 2.13, `torch/distributed/checkpoint/filesystem.py`, `finish`). Here the opcodes are
read one by one: they build plain values and records, and nothing of the file is ever called. So no
torch is needed, and neither a doctored global nor a memo bomb has anything to act on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resilient_training.run.pickle_reader import Record, UnreadablePickleError, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE_NAME = ".metadata"
# A model of 405 billion parameters over 1,024 processes has about a tenth of it.
MAX_BYTES = 256 << 20
_MAX_SIZE = (1 << 63) - 1
_MAX_PATH = 1024

_METADATA = "torch.distributed.checkpoint.metadata"
_DTYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
)
# Megatron-Core saves its own subclass of torch's record.
_WHOLE = frozenset(
    {
        (_METADATA, "Metadata"),
        ("megatron.core.dist_checkpointing.mapping", "MCoreMetadata"),
        ("megatron.core.dist_checkpointing.strategies.torch", "MCoreMetadata"),
    }
)
_PART = ("torch.distributed.checkpoint.filesystem", "_StorageInfo")
HARMLESS = _WHOLE | {
    _PART,
    ("torch.distributed.checkpoint.filesystem", "_StoragePrefix"),
    *((_METADATA, name) for name in ("MetadataIndex", "StorageMeta", "TensorProperties")),
    *((_METADATA, name) for name in ("TensorStorageMetadata", "BytesStorageMetadata")),
    *((_METADATA, name) for name in ("ChunkStorageMetadata", "_MEM_FORMAT_ENCODING")),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("collections", "OrderedDict"),
    *((module, "PosixPath") for module in ("pathlib", "pathlib._local")),
    *(("torch", dtype) for dtype in _DTYPES),
}


class UntrustedMetadataError(Exception):
    """`.metadata` is damaged, or asks for what has no place in it; the message is one line."""


def files_needed(path: Path) -> Mapping[str, int]:
    """Every file that the checkpoint consists of, relative to its folder, and its size in bytes.

    Args:
        path: The `.metadata` file.

    Raises:
        UntrustedMetadataError: it is truncated, too large, names code, or lies about files.
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise UntrustedMetadataError(f"{path.name} has {size:,} bytes; {MAX_BYTES:,} are allowed")
    try:
        whole = value_of(path.read_bytes(), HARMLESS)
    except UnreadablePickleError as error:
        raise UntrustedMetadataError(f"{path.name} cannot be trusted: {error}") from error
    return _sizes(_parts(path, whole))


def _parts(path: Path, whole: object) -> Iterable[object]:
    if not isinstance(whole, Record) or whole.kind not in _WHOLE:
        raise UntrustedMetadataError(f"{path.name} is no metadata of a checkpoint")
    parts = whole.fields.get("storage_data")
    if not isinstance(parts, dict) or not parts:
        raise UntrustedMetadataError(f"{path.name} names no files")
    return parts.values()


def _sizes(parts: Iterable[object]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for part in parts:
        if not isinstance(part, Record) or part.kind != _PART:
            raise UntrustedMetadataError("a part of the checkpoint is stored in an unknown way")
        name = _inside(part.fields.get("relative_path"))
        end = _whole_number(part, "offset") + _whole_number(part, "length")
        if end > _MAX_SIZE:
            raise UntrustedMetadataError(f"{name!r} would have {end:,} bytes")
        sizes[name] = max(sizes.get(name, 0), end)
    return sizes


def _whole_number(part: Record, field: str) -> int:
    value: Any = part.fields.get(field)
    if type(value) is not int or not 0 <= value <= _MAX_SIZE:
        raise UntrustedMetadataError(f"{field} of a part is no size: {str(value)[:40]}")
    return value


def _inside(name: object) -> str:
    """Raise UntrustedMetadataError unless it is a plain path that stays in the folder."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_PATH or not name.isprintable():
        raise UntrustedMetadataError("a file of the checkpoint has no name that a file can have")
    if "\\" in name or any(step in {"", ".", ".."} for step in name.split("/")):
        raise UntrustedMetadataError(f"{name!r} is no path inside the checkpoint's folder")
    return name
