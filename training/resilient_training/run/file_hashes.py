"""The files of a folder, listed with their sizes and hashes."""

from __future__ import annotations

import hashlib
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from resilient_training.run.file_list import ListedFile
from resilient_training.run.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_AT_ONCE = 2  # each takes a core, and the training needs them


def listed(folder: Path, names: Iterable[str]) -> tuple[ListedFile, ...]:
    """Read these files of `folder`, which nobody writes to.

    Raises:
        OSError: one cannot be read.
        InvalidInputError: one has a name that another machine could not have.
    """
    work = partial(_listed, folder)
    return tuple(side_by_side(work, sorted(names), at_once=_AT_ONCE, stop=Event()))


def _listed(folder: Path, name: str) -> ListedFile:
    with (folder / name).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return ListedFile(name, file.tell(), sha256)
