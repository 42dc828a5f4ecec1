"""Files beside the checkpoints that name the newest one: `latest` and its like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_training.run.layout import Layout, Pointer

_MOST_BYTES = 4096


def pointed_at(parent: Path, pointer: Pointer) -> str | None:
    """What the pointer says, as it stands there; None: it is missing, empty, or no text."""
    path = parent / pointer.name
    try:
        text = str(path.readlink()) if path.is_symlink() else _first_bytes(path)
    except (FileNotFoundError, IsADirectoryError):
        return None
    return text.strip() or None


def _first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode(errors="replace")


def number_pointed_at(parent: Path, layout: Layout, pointer: Pointer) -> int | None:
    """The number of the checkpoint that the pointer names; None: it names none of this layout."""
    text = pointed_at(parent, pointer)
    if text is None:
        return None
    if pointer.text == "{step}":
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None  # noqa: PLR2004 — as many as the names of checkpoints may have
    return layout.number_in_name(Path(text).name)


def point_to(parent: Path, layout: Layout, name: str) -> list[str]:
    """Have every pointer of the layout name this checkpoint, as its framework would write it.

    Lightning's `last.ckpt` may be a checkpoint by itself: then it needs no pointer.
    """
    pointers = [pointer for pointer in layout.pointers if pointer.name != name]
    for pointer in pointers:
        text = pointer.text.format(
            name=name, step=layout.number_in_name(name), path=(parent / name).absolute()
        )
        _replace(parent / pointer.name, text, link=pointer.link)
    return [pointer.name for pointer in pointers]


def _replace(path: Path, text: str, *, link: bool) -> None:
    """In one step: a framework that looks meanwhile finds the old or the new."""
    made = path.with_name(f".{path.name}.new")
    made.unlink(missing_ok=True)
    if link:
        made.symlink_to(text)
    else:
        made.write_text(text)
    made.replace(path)
