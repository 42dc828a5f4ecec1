"""A folder beside a checkpoint that is being written, gone when that is done."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = ".folder"


@contextmanager
def folder_beside(file: Path) -> Iterator[Path]:
    """A new folder on the disk that `file` is on, which has room for a checkpoint.

    A process that is killed leaves it there. Whoever comes next removes those that have lost their
    file, which has a lock by which it is known whether its writer lives.
    """
    for left in file.parent.glob(f"checkpoint-*.partial{_FOLDER}"):
        if not left.with_name(left.name.removesuffix(_FOLDER)).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = file.with_name(file.name + _FOLDER)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
