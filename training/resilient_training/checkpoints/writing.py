"""The way of a snapshot onto the disk, beside the training."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.checkpoints.disk import as_disk_full, require_room
from resilient_training.checkpoints.files import HashedFile
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resilient_training.checkpoints.snapshot import Snapshot
    from resilient_training.checkpoints.trial import Trial


@dataclass(frozen=True)
class Saving:
    """A snapshot of a step that is to be written; `best_before` is the best metric until then."""

    snapshot: Snapshot
    step: int
    epoch: int
    metric: Metric | None
    best: bool
    best_before: float | None


@dataclass(frozen=True)
class Written:
    """A file that the disk gives back as it was written, and that is still to be tried.

    `reader` is the module that tries it; None: it is not tried.
    """

    saving: Saving
    file: HashedFile
    structure: frozenset[str]
    reader: str | None


class Writer:
    """Writes checkpoints that are whole, as the disk gives them back, and can be loaded.

    The first, and each that has something new in it, is loaded by `trial`. None: nothing is kept.
    """

    def __init__(self, trial: Trial | None) -> None:
        self._trial = trial
        self._tried: frozenset[str] | None = None

    def write(self, saving: Saving, target: Path) -> Written:
        """Write a checkpoint that `publish` can give the name `target`.

        Raises:
            NotLoadableError: no resume could load it.
            DiskFullError: it does not fit.
            FileDamagedError, OSError: the disk does not take it, or gives something else back.
        """
        snapshot = saving.snapshot
        structure = snapshot.structure()
        if not self._has_tried(structure):
            snapshot.require_loadable()
        try:
            require_room(target.parent, snapshot.size)
            file = _filled(target, snapshot)
        except OSError as error:
            raise as_disk_full(error, target.parent, snapshot.size) from error
        return Written(saving, file, structure, snapshot.reader)

    def publish(self, written: Written) -> SavedCheckpoint:
        """Try it, if that is still to be done, and give it its name.

        Raises:
            NotLoadableError: no resume could load it.
            OSError: the disk does not take it.
        """
        saving, file = written.saving, written.file
        with _discarded_on_error(file):
            self._try(written)
            file.publish()
        return SavedCheckpoint(
            file.target,
            saving.step,
            saving.epoch,
            file.sha256,
            saving.metric,
            saving.best,
            file.size,
        )

    def _try(self, written: Written) -> None:
        if self._trial is None or written.reader is None or self._has_tried(written.structure):
            return
        # One that came to no answer is tried again at the next save.
        if self._trial.loads(written.reader, written.file.path):
            self._tried = written.structure | (self._tried or frozenset())

    def _has_tried(self, structure: frozenset[str]) -> bool:
        return self._tried is not None and structure <= self._tried


def _filled(target: Path, snapshot: Snapshot) -> HashedFile:
    file = HashedFile(target)
    with _discarded_on_error(file):
        try:
            snapshot.write(file)
        except RuntimeError:
            # torch.save's own, over what the disk answered.
            if file.error is not None:
                raise file.error from None
            raise
        file.read_back()
    return file


@contextmanager
def _discarded_on_error(file: HashedFile) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.discard()
        raise
