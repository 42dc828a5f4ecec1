"""Whether the disk has room for a checkpoint."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Of a file, besides its tensors: plain values, and the directory of the archive.
_MARGIN = 1 << 20


class DiskFullError(OSError):
    """The disk has no room for a checkpoint.

    Attributes:
        needed: Bytes of the checkpoint, about.
        free: Bytes that are free, as the system says; a quota or a limit of the process may be
            lower.
    """

    def __init__(self, folder: Path, needed: int, free: int) -> None:
        text = f"disk full: a checkpoint of {needed:,} bytes does not fit into {folder}"
        super().__init__(errno.ENOSPC, f"{text}, where {free:,} are free")
        self.needed = needed
        self.free = free


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def require_room(folder: Path, size: int) -> None:
    """Raise DiskFullError when `folder` has no room for a file of `size` bytes of tensors."""
    free = free_bytes(folder)
    if free < size + _MARGIN:
        raise DiskFullError(folder, size + _MARGIN, free)


def as_disk_full(error: OSError, folder: Path, size: int) -> OSError:
    """DiskFullError where that is what `error` means, else `error`."""
    if error.errno not in _FULL or isinstance(error, DiskFullError):
        return error
    return DiskFullError(folder, size + _MARGIN, free_bytes(folder))
