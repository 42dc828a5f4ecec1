"""From snapshots on several disks to one version in W&B: the first host's part, and the others'."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.artifact_of_checkpoint import Checkpoint, NotCommittedError
from resilient_training.run.delivery import key_of, new_word, require_unchanged, step_of
from resilient_training.run.file_list import FileList
from resilient_training.run.meeting import Complete, FirstHost, Missing, OtherHost
from resilient_training.run.store import never
from resilient_training.run.store_errors import Overtaken, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.delivery import Committing
    from resilient_training.run.file_list import ListedFile
    from resilient_training.run.meeting import KeyOf
    from resilient_training.run.messages import Announcement
    from resilient_training.run.ports import Taken
    from resilient_training.run.store import Store

_ASKED_EVERY = 5.0  # seconds, during an upload


def keys_of(store: Store, job: Job, root: str) -> KeyOf:
    """Keys of files by word, host, folder and path: two hosts never write the same one."""

    def key(word: str, host: str, folder: str, path: str) -> str:
        return store.place.key(key_of(job, root, word, host, folder, path))

    return key


@dataclass(frozen=True)
class Part:
    """How a host takes part.

    Attributes:
        host: Its name.
        root: The first part of the keys, as in `keys_of`.
        processes: The world size; None: unknown.
        patience: Seconds for which the first host waits for the others, after its own upload.
        look: Seconds between two looks at the board.
    """

    host: str
    root: str
    processes: int | None = None
    patience: float = 300.0
    look: float = 0.5


class FirstDelivery:
    """Commits checkpoints of which other hosts have a part."""

    def __init__(self, commits: Committing, store: Store, first: FirstHost, part: Part) -> None:
        self.commits, self.store, self.first, self.part = commits, store, first, part
        # A second try has the same word: what was uploaded under it counts, whoever did it.
        self._sent: tuple[Path, str, tuple[ListedFile, ...]] | None = None

    def commit(self, taken: Taken, overtaken: Callable[[], bool] = never) -> str:
        """Upload this host's files, wait for the others', and commit; gives the version, `vN`.

        `overtaken` says whether a newer checkpoint is worth more than to wait for this one.

        Raises:
            NotCommittedError: a host is missing (the text names it), or W&B does not take it.
            NOT_DELIVERED: the files are not in the store.
            Overtaken: `overtaken` became true first.
        """
        step = step_of(taken)
        word = new_word() if self._own(taken) is None or self._sent is None else self._sent[1]
        # Before the own upload: all hosts upload at the same time.
        announcement = self.first.announce(word, taken.name, taken.elsewhere)
        own = self._own(taken) or self._uploaded(taken, word, overtaken)
        files = FileList(taken.name, taken.layout, word, self._all(announcement, own, overtaken))
        require_unchanged(taken)
        checkpoint = Checkpoint(step, files, self.part.processes, self.store.place)
        return self.commits.commit(checkpoint)

    def moved(self) -> tuple[int, int | None]:
        """What changes while an upload moves: to the store, and to W&B."""
        return self.store.moved(), self.commits.uploaded_bytes()

    def _own(self, taken: Taken) -> tuple[ListedFile, ...] | None:
        """This host's files where an earlier try has uploaded them."""
        return self._sent[2] if self._sent is not None and self._sent[0] == taken.folder else None

    def _uploaded(
        self, taken: Taken, word: str, overtaken: Callable[[], bool]
    ) -> tuple[ListedFile, ...]:
        under = key_of(self.commits.job, self.part.root, word, self.part.host, taken.name)
        own = self.store.upload(taken.folder, taken.files, under, overtaken)
        self._sent = taken.folder, word, own
        return own

    def _all(
        self,
        announcement: Announcement,
        own: tuple[ListedFile, ...],
        overtaken: Callable[[], bool],
    ) -> tuple[ListedFile, ...]:
        deadline = time.monotonic() + self.part.patience
        while True:
            found = self._found(announcement, own)
            if isinstance(found, Complete):
                return found.files
            if time.monotonic() >= deadline:
                why = f"{found} within {self.part.patience:g} s"
                raise NotCommittedError(f"a part of {announcement.folder} is missing: {why}")
            if overtaken():
                raise Overtaken
            time.sleep(self.part.look)

    def _found(self, announcement: Announcement, own: tuple[ListedFile, ...]) -> Complete | str:
        try:
            found = self.first.collect(announcement, own)
        except (StoreError, OSError) as error:
            return str(error)  # the next look may succeed
        return found.why if isinstance(found, Missing) else found


@dataclass(frozen=True)
class PartDelivery:
    """Uploads this host's part of what the first host announces."""

    store: Store
    other: OtherHost
    job: Job
    part: Part

    def send(self, announcement: Announcement, taken: Taken) -> None:
        """Upload a snapshot of the wanted files that this disk has, and answer.

        Raises:
            NOT_DELIVERED: they are not in the store, or somebody wrote into them meanwhile.
            Overtaken: the first host asks for another checkpoint by now.
        """
        word, folder = announcement.word, announcement.folder
        under = key_of(self.job, self.part.root, word, self.part.host, folder)
        watch = _Watch(self.other, announcement)
        files = self.store.upload(taken.folder, taken.files, under, watch.is_overtaken)
        require_unchanged(taken)
        self.other.answer(announcement, files)


class _Watch:
    """Asks the board now and then, and not at each part of a file."""

    def __init__(self, other: OtherHost, announcement: Announcement) -> None:
        self._other = other
        self._announcement = announcement
        self._next = time.monotonic() + _ASKED_EVERY

    def is_overtaken(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _ASKED_EVERY
        try:
            return not self._other.is_current(self._announcement)
        except (StoreError, OSError):
            return False  # unknown is no reason to give an upload up
