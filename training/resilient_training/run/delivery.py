"""From the snapshot of a complete checkpoint to a version in W&B, on one host."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from resilient_training.run.artifact_of_checkpoint import Checkpoint, NotCommittedError
from resilient_training.run.file_hashes import listed
from resilient_training.run.file_list import FileList, ListedFile
from resilient_training.run.invalid_input import InvalidInputError
from resilient_training.run.run_of_checkpoints import root_of
from resilient_training.run.store import never
from resilient_training.run.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.ports import Taken
    from resilient_training.run.run_of_checkpoints import Lineage
    from resilient_training.run.store import Store

# Why a checkpoint is not in W&B yet; the training is not at fault, and a later try may succeed.
NOT_DELIVERED = (NotCommittedError, StoreError, InvalidInputError, OSError)


class Committing(Protocol):
    """Where checkpoints are committed: `Commits`."""

    @property
    def job(self) -> Job:
        """The job that makes them."""

    @property
    def lineage(self) -> Lineage:
        """Whose checkpoints they are."""

    def commit(self, checkpoint: Checkpoint, source: Path | None = None) -> str:
        """Commit one, and give its version; NotCommittedError: it is not."""

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload moves; None: nobody can see it."""


class Delivery:
    """Brings checkpoints of one host to W&B, their bytes to `store`; None: these too to W&B."""

    def __init__(
        self, commits: Committing, store: Store | None, processes: int | None = None
    ) -> None:
        self.commits = commits
        self.store = store
        self.processes = processes
        # Where W&B did not take a checkpoint, its bytes need not be sent a second time.
        self._sent: tuple[Path, FileList] | None = None

    def commit(self, taken: Taken, overtaken: Callable[[], bool] = never) -> str:
        """Upload one checkpoint and commit it; gives its version, `vN`.

        Raises:
            NOT_DELIVERED: it is not committed.
            Overtaken: `overtaken` became true before all was sent.
        """
        if taken.elsewhere:
            first = min(taken.elsewhere)
            raise NotCommittedError(f"{taken.name} needs {first} and the like of other hosts")
        step, files = step_of(taken), self._files(taken, overtaken)
        require_unchanged(taken)
        place = None if self.store is None else self.store.place
        return self.commits.commit(Checkpoint(step, files, self.processes, place), taken.folder)

    def moved(self) -> tuple[int | None, int | None]:
        """What changes while an upload moves: to the store, and to W&B."""
        stored = None if self.store is None else self.store.moved()
        return stored, self.commits.uploaded_bytes()

    def _files(self, taken: Taken, overtaken: Callable[[], bool]) -> FileList:
        if self._sent is None or self._sent[0] != taken.folder:
            word = new_word()
            all_ = self._listed(taken, word, overtaken)
            self._sent = taken.folder, FileList(taken.name, taken.layout, word, all_)
        return self._sent[1]

    def _listed(
        self, taken: Taken, word: str, overtaken: Callable[[], bool]
    ) -> tuple[ListedFile, ...]:
        if self.store is None:
            return listed(taken.folder, taken.files)
        job = self.commits.job
        under = key_of(job, root_of(job, self.commits.lineage), word, taken.name)
        return self.store.upload(taken.folder, taken.files, under, overtaken)


def require_unchanged(taken: Taken) -> None:
    """Refuse a snapshot that somebody wrote into while its files were read.

    Raises:
        NotCommittedError: somebody did.
    """
    if (why := taken.change()) is not None:
        raise NotCommittedError(why)


def new_word() -> str:
    """8 random hex digits: no other attempt, step or restarted container has the same keys."""
    return secrets.token_hex(4)


def key_of(job: Job, root: str, *parts: str) -> str:
    """A key below the store's place: `<root>/a<attempt>/…`."""
    return "/".join((root, f"a{job.attempt}", *parts))


def step_of(taken: Taken) -> int:
    if taken.step is None:
        raise NotCommittedError(
            f"{taken.name} does not say its step: the controller could not"
            " tell it from an older one"
        )
    return taken.step
