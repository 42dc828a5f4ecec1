"""A folder in the place of W&B and the store, behind the ports that these have."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.checkpoints.versions import Version
from resilient_training.job import CheckpointLoadError, Job, Pin
from resilient_training.run.delivery import NOT_DELIVERED, Delivery
from resilient_training.run.file_list import LIST_NAME, FileList, file_list_from
from resilient_training.run.held_files import Contents, flaw_of
from resilient_training.run.ports import Committed, NotCommitted
from resilient_training.run.run_of_checkpoints import Lineage

if TYPE_CHECKING:
    from pathlib import Path

    from resilient_training.run.artifact_of_checkpoint import Checkpoint
    from resilient_training.run.held_files import Trusts
    from resilient_training.run.ports import Snapshot

_COLLECTION = "check/check/model"
_VERSION = "v0"


@dataclass(frozen=True)
class Kept:
    """The checkpoint that is resumed from.

    Attributes:
        written_at: When its last file was written, in seconds of the wall clock.
    """

    name: str
    step: int
    files: FileList
    written_at: float
    pin: Pin


@dataclass(frozen=True)
class _HeldInFolder:
    """The one version; its bytes are copied out, as W&B and the store give copies."""

    folder: Path
    version: Version

    def is_of_run(self) -> bool:
        return True

    def holds_checkpoint(self) -> bool:
        return True

    def contents(self, folder: Path, trusts: Trusts) -> Contents:  # noqa: ARG002 - of the port
        return Contents(file_list_from((self.folder / LIST_NAME).read_bytes()), None)

    def download(self, files: FileList, folder: Path) -> None:
        for file in files.files:
            _copy(self.folder / "files" / file.path, folder / file.path)
            if (why := flaw_of(folder, file)) is not None:
                raise CheckpointLoadError(self.version.name, f"{file.path} {why}")


class FolderVersions:
    """Takes one checkpoint as `Commits` does, and finds it again as that does."""

    def __init__(self, folder: Path, job: Job) -> None:
        self._folder = folder
        self.job = job
        self.lineage = Lineage("check", "check", "check")
        self.committed: Checkpoint | None = None

    def commit(self, checkpoint: Checkpoint, source: Path | None = None) -> str:
        if source is not None:
            for file in checkpoint.files.files:
                _copy(source / file.path, self._folder / "files" / file.path)
        (self._folder / LIST_NAME).write_bytes(checkpoint.files.to_bytes())
        self.committed = checkpoint
        return _VERSION

    def uploaded_bytes(self) -> int | None:
        return None

    def version(self, pin: Pin) -> _HeldInFolder:
        if self.committed is None:
            raise CheckpointLoadError(pin.version, "there is none")
        files = self.committed.files
        version = Version(
            _VERSION, files.sha256, self.committed.step, files.sha256, training_job=None
        )
        return _HeldInFolder(self._folder, version)


class FolderDelivery:
    """The first complete checkpoint goes to the folder; of later ones only the names count.

    `refused` is why the last one did not go there.
    """

    def __init__(self, versions: FolderVersions, processes: int) -> None:
        self._versions = versions
        self._delivery = Delivery(versions, None, processes)
        self.kept: Kept | None = None
        self.complete: list[str] = []
        self.refused = ""

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        if self.kept is None:
            written = max((snapshot.folder / one).stat().st_mtime for one in snapshot.files)
            try:
                self._delivery.commit(snapshot)
            except NOT_DELIVERED as error:
                self.refused = f"{snapshot.name} could not be uploaded: {error}"
                return NotCommitted(self.refused)
            self.kept = self._as_kept(snapshot.name, written)
        self.complete.append(snapshot.name)
        return Committed(f"v{len(self.complete) - 1}")

    def _as_kept(self, name: str, written: float) -> Kept | None:
        made = self._versions.committed
        if made is None:
            return None
        pin = Pin(_COLLECTION, _VERSION, made.files.sha256, made.step)
        return Kept(name, made.step, made.files, written, pin)

    def moved(self) -> object:
        return None

    def close(self) -> None:
        """There is no run to be finished."""


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)
