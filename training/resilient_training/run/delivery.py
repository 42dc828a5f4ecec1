"""From the snapshot of a complete checkpoint to a version in W&B, on one host."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from resilient_training.run.artifact_of_checkpoint import Checkpoint, NotCommittedError
from resilient_training.run.file_hashes import listed
from resilient_training.run.file_list import FileList, ListedFile
from resilient_training.run.run_of_checkpoints import root_of
from resilient_training.run.store import never

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.commit import Commits
    from resilient_training.run.store import Store


class Taken(Protocol):
    """A snapshot: files that nobody changes any more."""

    @property
    def name(self) -> str:
        """Of the checkpoint's folder, or of its one file."""

    @property
    def step(self) -> int | None:
        """None: the layout does not say."""

    @property
    def layout(self) -> str:
        """The name of the layout."""

    @property
    def folder(self) -> Path:
        """Where the snapshot's files are."""

    @property
    def files(self) -> Mapping[str, int]:
        """Their paths below `folder`, and sizes."""


@dataclass(frozen=True)
class Delivery:
    """Brings checkpoints of one host to W&B, their bytes to `store`; None: these too to W&B."""

    commits: Commits
    store: Store | None
    processes: int | None = None

    def commit(self, taken: Taken, overtaken: Callable[[], bool] = never) -> str:
        """Upload one checkpoint and commit it; gives its version, `vN`.

        Raises:
            NotCommittedError, StoreError, InvalidInputError, OSError: it is not committed.
            Overtaken: `overtaken` became true before all was sent.
        """
        word = new_word()
        files = FileList(taken.name, taken.layout, word, self._sent(taken, word, overtaken))
        place = None if self.store is None else self.store.place
        checkpoint = Checkpoint(step_of(taken), files, self.processes, place)
        return self.commits.commit(checkpoint, taken.folder)

    def _sent(
        self, taken: Taken, word: str, overtaken: Callable[[], bool]
    ) -> tuple[ListedFile, ...]:
        if self.store is None:
            return listed(taken.folder, taken.files)
        job = self.commits.job
        under = key_of(job, root_of(job, self.commits.lineage), word, taken.name)
        return self.store.upload(taken.folder, taken.files, under, overtaken)


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
