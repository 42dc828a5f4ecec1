"""A checkpoint as it was: links or copies that no rotation and no later save takes away."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from resilient_training.run.listing import listing_of, sizes_of
from resilient_training.run.whole import flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resilient_training.run.layout import Layout
    from resilient_training.run.listing import File, Listing

# In a snapshot: what stood beside the checkpoint and belongs to it.
BESIDE: Final = ".beside"
# Across mounts, bind mounts too; file systems without links; too many links.
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class NotTakenError(Exception):
    """There is no snapshot: the checkpoint changed or went away meanwhile, or the disk is full."""


@dataclass(frozen=True)
class Snapshot:
    """One checkpoint's files in a folder of ours.

    Attributes:
        name: What the checkpoint is called in its parent: a folder's name or a file's.
        step: Its number, growing over the attempts of a training.
        layout: The layout's name.
        folder: Where the links or copies are. Of a checkpoint that is one file, the only file in it
            has the checkpoint's name. What stood beside the checkpoint is below `.beside`.
        files: Every file, relative to `folder`, and its size in bytes.
        elsewhere: Files that the checkpoint needs and the disks of other hosts hold, with the exact
            size in bytes where it is known.
    """

    name: str
    step: int
    layout: str
    folder: Path
    files: Mapping[str, int]
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)
    taken: Listing = field(default=(), repr=False)

    def change(self) -> str | None:
        """Why the bytes are not those that were taken, as when a linked file was written into."""
        now = listing_of(self.folder) if self.folder.is_dir() else ()
        changed = sorted({file.path for file in set(now) ^ set(self.taken)})
        return f"{changed[0]} changed after the snapshot of {self.name}" if changed else None

    def remove(self) -> None:
        """Take the snapshot away; the checkpoint stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Source:
    """`place`: the file in the checkpoint; `known`: as it was listed, None where it was not."""

    target: str
    place: Path
    known: File | None
    copied: bool


@dataclass(frozen=True)
class Finished:
    """A checkpoint that is complete: a folder, or a file that is one by itself.

    `listing` is what was found to be complete. `elsewhere` is as in `Snapshot`.
    """

    path: Path
    step: int
    listing: Listing
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)


def take(finished: Finished, layout: Layout, snapshots: Path) -> Snapshot:
    """Link every file of the listing, or copy it where a link cannot be or does not protect.

    Args:
        finished: What the snapshot is to have, exactly.
        layout: Its layout.
        snapshots: Where snapshots are made; on the same file system they cost no space.

    Raises:
        NotTakenError: a file changed or went away meanwhile, or there is no room. Nothing is left.
    """
    checkpoint, listing = finished.path, finished.listing
    folder = snapshots / f"{checkpoint.name}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        sources = list(_sources(checkpoint, layout, listing))
        for source in sources:
            _take_file(source, folder / source.target)
        # A linked file can be written into until the last one is there.
        for source in sources:
            _require_as_listed(source, folder / source.target)
        taken = listing_of(folder)
    except FileNotFoundError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotTakenError(f"{checkpoint.name} was deleted before its snapshot") from error
    except (OSError, NotTakenError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotTakenError(f"no snapshot of {checkpoint.name}: {error}") from error
    files = sizes_of(taken)
    return Snapshot(
        checkpoint.name, finished.step, layout.name, folder, files, finished.elsewhere, taken
    )


def take_part(
    checkpoint: Path, layout: Layout, step: int, needs: Mapping[str, int | None], snapshots: Path
) -> Snapshot:
    """Of what another host needs for this checkpoint, take what this host's disk holds.

    Args:
        checkpoint: The folder on this host's disk.
        layout: Its layout.
        step: Its number.
        needs: Files, and the exact sizes in bytes, or None where the size is unknown.
        snapshots: Where snapshots are made.

    Raises:
        NotTakenError: as `take`.
    """
    listing = listing_of(checkpoint) if checkpoint.exists() else ()
    mine = tuple(file for file in listing if _is_needed(checkpoint, file, needs))
    return take(Finished(checkpoint, step, mine), layout, snapshots)


def _is_needed(checkpoint: Path, file: File, needs: Mapping[str, int | None]) -> bool:
    if file.path not in needs:
        return False
    size = needs[file.path]
    return size == file.size or (size is None and flaw(checkpoint / file.path) is None)


def _sources(checkpoint: Path, layout: Layout, listing: Listing) -> Iterator[_Source]:
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    for file in listing:
        yield _Source(file.path, folder / file.path, file, layout.in_place)
    for name in layout.beside:
        # The next save writes into it, whatever the checkpoints' folders do.
        yield _Source(f"{BESIDE}/{name}", checkpoint.parent / name, None, copied=True)


def _take_file(source: _Source, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if not source.copied and _linked(source.place, to):
        return
    before = _version(source.place.stat())
    if source.known is not None and before != _listed(source.known):
        raise NotTakenError(f"{source.target} was written since it was complete")
    shutil.copyfile(source.place, to)
    _require_unchanged(source.place, before)
    if (why := flaw(to, source.target)) is not None:
        raise NotTakenError(f"{source.target} {why}")


def _linked(place: Path, to: Path) -> bool:
    try:
        os.link(place.resolve(), to)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _require_unchanged(place: Path, before: tuple[int, int, int]) -> None:
    """A file that is gone has been copied from its open descriptor, to its end."""
    try:
        now = _version(place.stat())
    except FileNotFoundError:
        return
    if now != before:
        raise NotTakenError(f"{place.name} was written while it was copied")


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _listed(file: File) -> tuple[int, int, int]:
    return file.size, file.written, file.inode


def _require_as_listed(source: _Source, to: Path) -> None:
    status, known = to.stat(), source.known
    if known is None:
        return
    # A copy has an inode of its own, and was compared with the listing when it was made.
    linked = status.st_ino == known.inode
    if known.size != status.st_size or (linked and _version(status) != _listed(known)):
        raise NotTakenError(f"{source.target} changed during the snapshot")
