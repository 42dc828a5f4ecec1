"""Folders of ours beside the checkpoints, where no framework looks for one to resume from."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def hidden_folder(parent: Path, word: str) -> Path:
    """A folder on the file system of `parent`: beside it, else hidden in it. It is made.

    Beside it is better: Keras removes the whole folder of a backup, and accelerate takes everything
    in its folder for a checkpoint. Where `parent` is a mount of its own, links and renames go no
    further than into it. Then the name ends with a number, without which accelerate stops.
    """
    parent.mkdir(parents=True, exist_ok=True)
    beside = parent.parent / f".{parent.name}-{word}"
    folder = beside if _can_be_renamed_into(parent, beside) else parent / f".resilience-{word}-0"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _can_be_renamed_into(parent: Path, folder: Path) -> bool:
    """Tried, for bind mounts have one device number on both sides."""
    probe = parent / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.rename(folder / probe.name)
        (folder / probe.name).unlink()
    except OSError:
        probe.unlink(missing_ok=True)
        return False
    return True


def move_into(folder: Path, path: Path) -> Path:
    """Move a file or folder there, under its own name and a word that nothing else has."""
    target = folder / f"{path.name}-{secrets.token_hex(4)}"
    path.rename(target)
    return target
