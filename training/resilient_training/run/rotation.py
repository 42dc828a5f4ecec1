"""Hosts beside the first one delete the checkpoints that the first one has deleted.

Most scripts rotate checkpoints on the first host's disk alone: the other disks would fill up.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resilient_training.run.messages import Kept

_log = logging.getLogger(__name__)
_DELETED = ".resilience-deleted-"


def to_delete(steps: Mapping[str, int | None], kept: Kept) -> list[str]:
    """The checkpoints of this disk that the first host has no more: older than what it committed.

    Args:
        steps: Of the checkpoints on this disk, by name; None: unknown, and so never deleted.
        kept: What the first host had at its last commit.
    """
    gone = (name for name in steps if name not in kept.names)
    return sorted(name for name in gone if is_before(steps[name], kept.step))


def is_before(step: int | None, committed: int) -> bool:
    return step is not None and step < committed


def rotate(parent: Path, steps: Mapping[str, int | None], kept: Kept) -> list[str]:
    """Delete what `to_delete` says below `parent`; gives the names. A failure is a warning.

    Each is renamed first: nothing that looks on finds half a checkpoint.
    """
    return [name for name in to_delete(steps, kept) if _is_deleted(parent / name)]


def _is_deleted(path: Path) -> bool:
    hidden = path.with_name(f"{_DELETED}{secrets.token_hex(4)}")
    try:
        path.rename(hidden)
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()
    except OSError as error:
        _log.warning("%s could not be deleted: %s", path, error)
        return False
    return True
