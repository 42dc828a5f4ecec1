"""Deletes on a host's own disk what the first host's disk no longer has.

Most scripts rotate on rank 0 only, so that the disks of the other hosts fill up.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from resilient_training.run.hidden import hidden_folder, move_into
from resilient_training.run.listing import listing_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from resilient_training.run.layout import Layout


def rotate_as(parent: Path, layout: Layout, kept: Collection[str]) -> list[str]:
    """Delete the checkpoints that are older than the newest in `kept` and not in it.

    Args:
        parent: The folder of checkpoints of a host that is not the first.
        layout: Its layout. Where names have no number, nothing is deleted.
        kept: The names of the checkpoints that the first host still has.

    Returns:
        The names of what was deleted, oldest first.
    """
    newest = max((layout.number_in_name(name) or -1 for name in kept), default=-1)
    old = [path for path in _numbered(parent, layout) if _number(path, layout) < newest]
    gone = [path for path in old if path.name not in kept]
    for path in gone:
        # Renamed first: nothing that is half deleted has a checkpoint's name.
        moved = move_into(hidden_folder(parent, "rotated"), path)
        shutil.rmtree(moved) if moved.is_dir() else moved.unlink()
    return [path.name for path in gone]


def _numbered(parent: Path, layout: Layout) -> list[Path]:
    matching = [path for path in parent.iterdir() if layout.matches(path.name)]
    numbered = [path for path in matching if layout.number_in_name(path.name) is not None]
    shown = [path for path in numbered if layout.shows_in(one.path for one in listing_of(path))]
    return sorted(shown, key=lambda path: _number(path, layout))


def _number(path: Path, layout: Layout) -> int:
    return layout.number_in_name(path.name) or 0
