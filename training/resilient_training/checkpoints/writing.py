"""The way of a snapshot onto the disk, beside the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.checkpoints import trial
from resilient_training.checkpoints.disk import as_disk_full, require_room
from resilient_training.checkpoints.files import HashedFile, new_file
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint

if TYPE_CHECKING:
    from pathlib import Path

    from resilient_training.checkpoints.snapshot import Snapshot


@dataclass(frozen=True)
class Saving:
    """A snapshot of a step that is to be written; `best_before` is the best metric until then."""

    snapshot: Snapshot
    step: int
    epoch: int
    metric: Metric | None
    best: bool
    best_before: float | None


class Writer:
    """Writes checkpoints that are whole, as the disk gives them back, and can be loaded."""

    def __init__(self) -> None:
        self._tried: set[str] = set()

    def write(self, saving: Saving, path: Path) -> SavedCheckpoint:
        """Write one checkpoint; `path` appears when all of this is certain.

        Raises:
            NotLoadableError: no resume could load it.
            DiskFullError: it does not fit.
            FileDamagedError, OSError: the disk does not take it, or gives something else back.
        """
        snapshot, folder = saving.snapshot, path.parent
        structure = snapshot.structure()
        if structure not in self._tried:
            snapshot.require_loadable()
        require_room(folder, snapshot.size)
        try:
            with new_file(path) as file:
                _fill(file, snapshot)
                self._try(file.path, snapshot, structure)
        except OSError as error:
            raise as_disk_full(error, folder, snapshot.size) from error
        return SavedCheckpoint(
            path, saving.step, saving.epoch, file.sha256, saving.metric, saving.best, file.size
        )

    def _try(self, file: Path, snapshot: Snapshot, structure: str) -> None:
        if structure in self._tried:
            return
        command = snapshot.loading(file)
        # One that came to no answer is tried again at the next save.
        if command is None or trial.loads(command, file):
            self._tried.add(structure)


def _fill(file: HashedFile, snapshot: Snapshot) -> None:
    try:
        snapshot.write(file)
    except RuntimeError:
        # torch.save's own, over what the disk answered.
        if file.error is not None:
            raise file.error from None
        raise
    file.read_back()
