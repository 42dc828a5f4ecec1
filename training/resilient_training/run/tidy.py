"""What a framework must not resume from is moved out of its sight before it starts.

A folder that is not complete, but has the newest name, ends each attempt in the same error: Hugging
Face's `get_last_checkpoint` looks at names only, and DeepSpeed believes its `latest`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resilient_training.run.complete import Incomplete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.hidden import hidden_folder, move_into
from resilient_training.run.layout import Unit
from resilient_training.run.listing import listing_of
from resilient_training.run.numbering import number_of
from resilient_training.run.pointers import point_to, pointed_at
from resilient_training.run.recognition import layout_of_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resilient_training.run.layout import Layout, Pointer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    """`number`: None where it is unknown. `fault`: why it may not stay; None: it may."""

    path: Path
    number: int | None
    fault: str | None


def move_aside(
    parent: Path,
    layout: Layout | None,
    processes: int,
    newest_allowed: int | None,
    *,
    here: range | None = None,
) -> list[str]:
    """Move what is incomplete or beyond the pin to a hidden folder; nothing is deleted.

    Pointers that named it are put right, or moved as well where no checkpoint is left.

    Args:
        parent: The folder of checkpoints.
        layout: None: as recognised, also by parts alone, such as a first save that was killed.
        processes: Of the whole training.
        newest_allowed: The step of the pinned version; None: there is no pin, and any is allowed.
        here: The ranks whose files this disk holds, where each host has its own.

    Returns:
        The names of what was moved, oldest first.
    """
    if not parent.is_dir():
        return []
    layout = layout or layout_of_parts(parent)
    found = _found(parent, layout, Ranks(processes, here), newest_allowed)
    faulty = [one for one in found if one.fault is not None]
    left = [one for one in found if one.fault is None]
    moved = [one.path.name for one in faulty]
    for one in faulty:
        _move(parent, one.path, one.fault or "")
    return moved + _put_pointers_right(parent, layout, left) + _move_beside(parent, layout, left)


def _found(parent: Path, layout: Layout, ranks: Ranks, newest: int | None) -> list[_Found]:
    found = [
        _looked_at(path, layout, ranks, newest)
        for path in parent.iterdir()
        if layout.matches(path.name) and not path.is_symlink()
        if layout.shows_in(file.path for file in listing_of(path))
    ]
    return sorted(found, key=lambda one: (one.number or 0, one.path.name))


def _looked_at(path: Path, layout: Layout, ranks: Ranks, newest: int | None) -> _Found:
    number = number_of(path, layout)
    verdict = completeness_of(path, layout, ranks)
    value = None if number is None else number.value
    if isinstance(verdict, Incomplete):
        return _Found(path, value, verdict.reason)
    if newest is None:
        return _Found(path, value, None)
    if number is None or number.unit is Unit.SAVE:
        return _Found(path, value, "its name has no step, so it may be beyond the pin")
    beyond = f"step {value} is beyond the pinned step {newest}"
    return _Found(path, value, beyond if number.value > newest else None)


def _move(parent: Path, path: Path, why: str) -> None:
    to = move_into(hidden_folder(parent, "aside"), path)
    _log.warning("moved %s to %s: %s", path.name, to, why)


def _put_pointers_right(parent: Path, layout: Layout, left: list[_Found]) -> list[str]:
    by_name = {one.path.name: one.number for one in left}
    wrong = [one for one in layout.pointers if _is_wrong(parent, one, by_name)]
    if not wrong:
        return []
    if left:
        point_to(parent, layout, left[-1].path.name)
        _log.warning("%s names %s now", wrong[0].name, left[-1].path.name)
        return []
    for pointer in wrong:
        _move(parent, parent / pointer.name, "no checkpoint is left that it could name")
    return [pointer.name for pointer in wrong]


def _is_wrong(parent: Path, pointer: Pointer, left: Mapping[str, int | None]) -> bool:
    """It is there, and names nothing that is."""
    path = parent / pointer.name
    if not path.is_symlink() and (pointer.link or not path.exists()):
        return False  # Lightning's last.ckpt may be a checkpoint by itself
    text = pointed_at(parent, pointer)
    if text is None:
        return True
    if pointer.text == "{step}" and text.isdecimal():
        return int(text) not in left.values()
    return not (parent / Path(text).name).exists()


def _move_beside(parent: Path, layout: Layout, left: list[_Found]) -> list[str]:
    """What belonged to the newest checkpoint, where that is gone."""
    there = [name for name in layout.beside if (parent / name).exists() and not left]
    for name in there:
        _move(parent, parent / name, "its checkpoint was moved")
    return there
