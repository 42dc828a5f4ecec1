"""The command's folder of checkpoints: empty before the check, between its runs, and after it."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resilient_training.run.hidden import hidden_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NotCheckedError(Exception):
    """The training does not let itself be checked; the message is one line and says what to do."""


@contextmanager
def borrowed(parent: Path) -> Iterator[Path]:
    """Use a folder that is empty or missing, and leave it so; gives a folder for the check's files.

    Whatever lies in it already may be somebody's checkpoints: then it is not touched. So all that
    is deleted there was made by the commands of this check.

    Raises:
        NotCheckedError: there is something in it.
    """
    _require_empty(parent)
    made = _make(parent)
    own = hidden_folder(parent, f"check-{secrets.token_hex(4)}")
    try:
        yield own
    finally:
        empty(parent, keep=None)
        shutil.rmtree(own, ignore_errors=True)
        for folder in made:
            _remove_if_empty(folder)


def empty(parent: Path, keep: Path | None) -> None:
    """Delete what the command has put there, as a machine is empty that comes in its place."""
    for path in list(parent.iterdir()) if parent.is_dir() else ():
        if path == keep:
            continue
        if path.is_dir() and not path.is_symlink():
            # A process that could not be killed may still write there.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    parent.mkdir(exist_ok=True)


def _require_empty(parent: Path) -> None:
    found = sorted(path.name for path in parent.iterdir()) if parent.is_dir() else []
    if found:
        raise NotCheckedError(
            f"{parent} is not empty ({found[0]}): a check deletes what its runs leave there, and"
            " touches nothing of yours; name an empty or a new folder in the command"
        )


def _make(parent: Path) -> list[Path]:
    """Make it and what is above it; gives what was made, the innermost first."""
    missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
