"""Which layout a folder of checkpoints has, by the files that are in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.layouts import LAYOUTS, layout_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resilient_training.run.layout import Layout


@dataclass(frozen=True)
class Guess:
    """`layout` is None while nothing can be recognised; `why` is for a log line."""

    layout: Layout | None
    why: str


def guess(parent: Path) -> Guess:
    """The layout of the checkpoints below `parent`, by the files that are there."""
    if (parent / "training_metadata.json").is_file():
        return Guess(None, f"{parent} is itself a backup of Keras: give the folder that it is in")
    for layout in LAYOUTS:
        if (mark := _mark_in(parent, layout)) is not None:
            return Guess(layout, f"{layout.name}, because of {mark}")
    if (nameless := next(_shown(parent, "*/.metadata"), None)) is not None:
        why = (
            f"{nameless} is of torch.distributed.checkpoint, in a folder without a step in its name"
        )
        return Guess(None, f"{why}: save each step into a folder of its own, such as step-15")
    return Guess(None, f"nothing in {parent} is a checkpoint of a known layout yet")


def layout_of_parts(parent: Path) -> Layout:
    """The layout of a disk that may hold parts of checkpoints only, by the files that are there.

    Where nothing shows it, parts are files of their own, as torch.distributed.checkpoint has them:
    what marks its checkpoints is written last, and on the first host's disk alone.
    """
    return guess(parent).layout or layout_named("dcp")


def _mark_in(parent: Path, layout: Layout) -> str | None:
    pointers = {pointer.name for pointer in layout.pointers} | set(layout.beside)
    shown = (name for mark in layout.marks for name in _shown(parent, mark))
    return next((name for name in shown if name in pointers or _is_of(layout, name)), None)


def _is_of(layout: Layout, name: str) -> bool:
    return layout.matches(name.partition("/")[0])


def _shown(parent: Path, mark: str) -> Iterator[str]:
    """What matches and is not in a hidden folder, which is ours or half restored."""
    names = sorted(path.relative_to(parent).as_posix() for path in parent.glob(mark))
    return (name for name in names if not name.startswith("."))
