"""What is on the disk of one checkpoint: its files, and what shows that one of them changed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, order=True)
class File:
    """`path` is relative to the checkpoint, `size` in bytes, `written` in ns since 1970."""

    path: str
    size: int
    written: int
    inode: int


Listing = tuple[File, ...]


def listing_of(checkpoint: Path) -> Listing:
    """All files of a folder, in the order of their paths; of a single file, that one by its name.

    Links count as what they point to. A file that ends while it is looked at is not in the listing.

    Raises:
        FileNotFoundError: the checkpoint itself is gone.
    """
    if checkpoint.is_dir():
        return tuple(sorted(_files(checkpoint, "", frozenset())))
    status = checkpoint.stat()
    return (File(checkpoint.name, status.st_size, status.st_mtime_ns, status.st_ino),)


def _files(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[File]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder that it is in
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir():
                yield from _files(folder / entry.name, f"{path}/", above | {here})
            elif (found := _status_of(entry)) is not None:
                yield File(path, found.st_size, found.st_mtime_ns, found.st_ino)


def _status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None: no file, such as a socket, or gone."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def sizes_of(listing: Listing) -> Mapping[str, int]:
    return {file.path: file.size for file in listing}
