"""The checkpoint files that this process has written."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from resilient_training.checkpoints.files import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_log = logging.getLogger(__name__)


class OwnFiles:
    """Names for them, none of which another process can have, and their end.

    Files that another process wrote stay, those of an earlier attempt too: one that never reached
    W&B is nowhere else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[Path] = set()

    def begin(self) -> None:
        """Make the folder, and remove what writers that died have left unfinished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in remove_abandoned(self.folder):
            _log.info("removed %s, which was never finished", path)

    def new_name(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}-{secrets.token_hex(4)}.ckpt"

    def add(self, path: Path) -> None:
        self._written.add(path)

    def keep_only(self, wanted: Collection[Path]) -> None:
        """Delete those that are not wanted any more."""
        for path in self._written - set(wanted):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s could not be deleted: %s", path, error)
            self._written.discard(path)
