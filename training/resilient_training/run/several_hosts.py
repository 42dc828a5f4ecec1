"""From snapshots on several disks to one version in W&B: the first host's part, and the others'."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.artifact_of_checkpoint import Checkpoint, NotCommittedError
from resilient_training.run.delivery import key_of, new_word, step_of
from resilient_training.run.file_list import FileList
from resilient_training.run.meeting import Complete, FirstHost, Missing, OtherHost
from resilient_training.run.store import never
from resilient_training.run.store_errors import Overtaken, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.commit import Commits
    from resilient_training.run.delivery import Taken
    from resilient_training.run.file_list import ListedFile
    from resilient_training.run.meeting import KeyOf
    from resilient_training.run.messages import Announcement
    from resilient_training.run.store import Store

_log = logging.getLogger(__name__)


def keys_of(store: Store, job: Job, root: str) -> KeyOf:
    """Keys of files by word, host, folder and path: two hosts never write the same one."""

    def key(word: str, host: str, folder: str, path: str) -> str:
        return store.place.key(key_of(job, root, word, host, folder, path))

    return key


@dataclass(frozen=True)
class FirstDelivery:
    """Commits checkpoints of which other hosts have a part.

    Attributes:
        name: Of this host.
        root: The first part of the keys, as in `keys_of`.
        patience: Seconds for which the others are waited for, after the own upload.
        look: Seconds between two looks at their answers.
    """

    commits: Commits
    store: Store
    first: FirstHost
    name: str
    root: str
    processes: int | None = None
    patience: float = 300.0
    look: float = 0.5

    def commit(
        self,
        taken: Taken,
        needs: Mapping[str, int | None],
        overtaken: Callable[[], bool] = never,
    ) -> str:
        """Upload this host's files, wait for the others', and commit; gives the version, `vN`.

        Args:
            taken: What this host's disk has.
            needs: All files of the checkpoint, and sizes; None: nobody knows the size.
            overtaken: Whether a newer checkpoint is worth more than to wait for this one.

        Raises:
            NotCommittedError: a host is missing (the text names it), or W&B does not take it.
            StoreError, InvalidInputError, OSError: the files are not in the store.
            Overtaken: `overtaken` became true first.
        """
        word, step = new_word(), step_of(taken)
        wanted = {path: size for path, size in needs.items() if path not in taken.files}
        # Before the own upload: all hosts upload at the same time.
        announcement = self.first.announce(word, taken.name, wanted)
        under = key_of(self.commits.job, self.root, word, self.name, taken.name)
        own = self.store.upload(taken.folder, taken.files, under, overtaken)
        files = FileList(taken.name, taken.layout, word, self._all(announcement, own, overtaken))
        checkpoint = Checkpoint(step, files, self.processes, self.store.place)
        return self.commits.commit(checkpoint)

    def _all(
        self,
        announcement: Announcement,
        own: tuple[ListedFile, ...],
        overtaken: Callable[[], bool],
    ) -> tuple[ListedFile, ...]:
        deadline = time.monotonic() + self.patience
        while True:
            found = self._found(announcement, own)
            if isinstance(found, Complete):
                return found.files
            if time.monotonic() >= deadline:
                why = f"{found} within {self.patience:g} s"
                raise NotCommittedError(f"a part of {announcement.folder} is missing: {why}")
            if overtaken():
                raise Overtaken
            time.sleep(self.look)

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
    name: str
    job: Job
    root: str
    look: float = 5.0

    def send(self, announcement: Announcement, folder: Path, names: Iterable[str]) -> None:
        """Upload these wanted files of `folder`, which nobody writes to, and answer.

        Raises:
            StoreError, InvalidInputError, OSError: they are not in the store.
            Overtaken: the first host asks for another checkpoint by now.
        """
        under = key_of(self.job, self.root, announcement.word, self.name, announcement.folder)
        watch = _Watch(self.other, announcement, self.look)
        self.other.answer(announcement, self.store.upload(folder, names, under, watch.is_overtaken))


class _Watch:
    """Asks the board now and then, and not at each part of a file."""

    def __init__(self, other: OtherHost, announcement: Announcement, every: float) -> None:
        self._other = other
        self._announcement = announcement
        self._every = every
        self._next = time.monotonic() + every

    def is_overtaken(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._every
        try:
            return not self._other.is_current(self._announcement)
        except (StoreError, OSError):
            return False  # unknown is no reason to give an upload up
