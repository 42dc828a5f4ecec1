"""One framework's way to lay out its checkpoints on a disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Unit(Enum):
    """What the number of a checkpoint counts.

    The number of steps or epochs goes on in the next attempt. The number of saves begins at 0 again
    in some frameworks (accelerate), and so is never taken for the step as it is.
    """

    STEP = "step"
    EPOCH = "epoch"
    SAVE = "save"


@dataclass(frozen=True)
class Pointer:
    """A file beside the checkpoints that names the newest one, as the framework writes it.

    `text` has `{name}` (of the checkpoint), `{step}` or `{path}` (absolute). `link`: the file is a
    symbolic link to `text`.
    """

    name: str
    text: str
    link: bool = False


@dataclass(frozen=True)
class Layout:
    """One framework's checkpoints.

    Attributes:
        name: What `--layout` takes.
        pattern: Matches the whole name of a checkpoint; its group `step`, where it has one, is the
            number.
        rule: The name of the rule in `complete.py` by which a checkpoint is complete.
        marks: Files in a checkpoint, or beside it, by which `auto` knows the layout; each a glob.
        resume: Arguments that make the framework's own command resume, of `{folder}` (the restored
            checkpoint) and `{parent}`. Empty: it looks for checkpoints by itself, or the script
            decides.
        in_place: The framework writes into a file that is there: a snapshot is a copy.
        unit: What the number counts.
        inside: Where the number is inside the checkpoint, if its name has none: a file ("" stands
            for the checkpoint itself) and the key of a JSON or of a file of `torch.save`.
        pointers: What names the newest checkpoint beside it.
        beside: Files beside the checkpoint that belong to the newest one.
        signs: Globs of files, one of which is in any checkpoint of this layout, however unfinished.
            Empty where the name is sign enough.
        settles: Nothing is written last; what other checkpoints of the training had must be there.
        source: The version whose source, documentation or folder the row is made from.
    """

    name: str
    pattern: str
    rule: str
    marks: tuple[str, ...]
    source: str
    resume: str = ""
    in_place: bool = False
    unit: Unit = Unit.STEP
    inside: tuple[str, str] | None = None
    pointers: tuple[Pointer, ...] = ()
    beside: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    settles: bool = False

    def matches(self, name: str) -> bool:
        return not name.startswith(".") and re.fullmatch(self.pattern, name) is not None

    def is_rewritten(self, name: str) -> bool:
        """A later save has the same name, so that the name alone shows nothing new."""
        return self.in_place or self.number_in_name(name) is None

    def shows_in(self, paths: Iterable[str]) -> bool:
        """Whether a folder with these files is one of the layout's, and not just called so."""
        found = (fnmatchcase(path, sign) for path in paths for sign in self.signs)
        return not self.signs or any(found)

    def number_in_name(self, name: str) -> int | None:
        """None: the name has no number."""
        found = re.fullmatch(self.pattern, name)
        number = found and found.groupdict().get("step")
        return int(number) if number else None
