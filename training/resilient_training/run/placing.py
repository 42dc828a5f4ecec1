"""A restored checkpoint gets its name, in one step, where the framework looks for it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from resilient_training.run.hidden import hidden_folder, move_into
from resilient_training.run.pointers import point_to
from resilient_training.run.snapshot import BESIDE

if TYPE_CHECKING:
    from pathlib import Path

    from resilient_training.run.layout import Layout


def put_in_place(restored: Path, parent: Path, layout: Layout, name: str) -> Path:
    """Move what was restored to `parent / name`, and have the layout's pointers name it.

    Args:
        restored: A folder with the files of a snapshot, on the file system of `parent`.
        parent: The folder of checkpoints.
        layout: The checkpoint's layout.
        name: The checkpoint's name. What has that name already is moved aside.

    Returns:
        The checkpoint's folder, or the file that it is: `{folder}` of the resume arguments.
    """
    target = parent / name
    for path in _beside(restored):
        _replace(path, parent / path.relative_to(restored / BESIDE), parent)
    if [path.name for path in restored.iterdir() if path.name != BESIDE] == [name]:
        _replace(restored / name, target, parent)
        _remove_empty(restored)
    else:
        _remove_empty(restored / BESIDE)
        _replace(restored, target, parent)
    point_to(parent, layout, name)
    _give_one_time([target, *(parent / name for name in layout.beside)])
    return target


def _give_one_time(paths: list[Path]) -> None:
    """Downloads end in any order; some rules ask whether a file is older than another."""
    now = time.time_ns()
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            os.utime(file, ns=(now, now))


def _beside(restored: Path) -> list[Path]:
    return sorted(path for path in (restored / BESIDE).rglob("*") if path.is_file())


def _replace(path: Path, target: Path, parent: Path) -> None:
    if target.exists() or target.is_symlink():
        move_into(hidden_folder(parent, "aside"), target)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir()
        folder.rmdir()
