"""Retention at work, after a commit: look, plan, log, then one version after the other.

    look        -> the versions of the lineage, and who began its run of checkpoints last
    plan        -> what stays, by `retention.kept`; one line in the log
    each victim -> its file list is read and verified, then the version goes, then its objects
    orphans     -> once a day: what no version refers to, such as after a crash between the two

Only the attempt that trains deletes. Whatever says that there is a newer one ends it for good:
another wrapper began the run, a version bears a later number, the controller has decided on the
job. What nobody answers is not done now; it is tried again after the next commit.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from resilient_training.run.lineage_versions import KeptError
from resilient_training.run.orphans import Word, orphans
from resilient_training.run.retention import kept, newer_attempt, plan_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resilient_training.job import Job
    from resilient_training.run.file_list import FileList, Stored
    from resilient_training.run.lineage_objects import Objects
    from resilient_training.run.lineage_versions import Look, Versions

_log = logging.getLogger(__name__)
# Then W&B is looked at again: a person may have given an alias, or another attempt begun.
_AT_ONCE = 10
_SWEPT_EVERY = 86_400.0  # seconds; younger than a day is no orphan


class SupersededError(Exception):
    """Another attempt or wrapper goes on with this lineage; this one deletes nothing any more."""


class NotNowError(Exception):
    """Nobody knows whether this attempt may delete, or it is about to end; says why."""


class Fence(Protocol):
    """What else says whether this attempt is the one that trains."""

    def require_open(self) -> None:
        """NotNowError: the attempt is about to end, so no deletion begins."""

    def wanted(self) -> str | None:
        """Read the job's tags: the version (`vN`) that they name.

        Raises:
            SupersededError: the controller has decided on this job.
            NotNowError: they cannot be read.
        """


@dataclass(frozen=True)
class _Leaving:
    """A version whose deletion has begun, and what it has in the store."""

    name: str
    files: tuple[Stored, ...]


@dataclass
class Retention:
    """Of one wrapper's life.

    Attributes:
        keep: How many of the newest good versions stay.
        holder: The word that this wrapper wrote into the run of checkpoints.
        objects: None: the bytes go to W&B.
        made: The versions that this process has committed, by name.
    """

    job: Job
    keep: int
    holder: str
    versions: Versions
    objects: Objects | None
    fence: Fence
    clock: Callable[[], float] = time.monotonic
    superseded: bool = False
    made: list[str] = field(default_factory=list)
    _was_holder: bool = False
    _swept_at: float | None = None
    _leaving: _Leaving | None = None
    _refused: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Delete what is to be deleted now.

        Raises:
            AWAY: W&B or the store does not answer.
            NotNowError: nobody knows whether this attempt may.
        """
        if self.superseded:
            return
        try:
            while self._delete_some():
                pass
            self._sweep()
        except SupersededError as error:
            self.superseded = True
            _log.warning("--keep: this attempt deletes no checkpoint any more: %s", error)

    def _delete_some(self) -> bool:
        """Delete a few; whether there are more."""
        look = self.versions.look()
        self._require_current(look)
        wanted = self.fence.wanted()
        self._finish_leaving()
        stay = kept(look.versions, self.job, self.keep, tuple(self.made), wanted)
        names = stay | self._refused
        victims = [one for one in look.versions if one.name not in names]
        victims.sort(key=lambda one: one.rank)
        if victims:
            _log.info("%s", plan_line(look.versions, victims, self.keep))
        for victim in victims[:_AT_ONCE]:
            self._delete(victim.name)
        return len(victims) > _AT_ONCE

    def _require_current(self, look: Look) -> None:
        if look.holder != self.holder:
            if self._was_holder:
                raise SupersededError("another resilient-run has begun this run of checkpoints")
            raise NotNowError("W&B does not show yet that this resilient-run is the newest")
        self._was_holder = True
        newer = newer_attempt(look.versions, self.job)
        if newer is not None:
            raise SupersededError(f"attempt {newer} has committed a checkpoint")

    def _delete(self, name: str) -> None:
        self.fence.require_open()
        try:
            files = self._files(name)
            self.fence.require_open()
            self._leaving = _Leaving(name, files)
            self.versions.delete(name)
        except KeptError as error:
            self._leaving = None
            self._refused.add(name)
            _log.warning("--keep: a checkpoint stays: %s", error)
            return
        self._finish_leaving()

    def _files(self, name: str) -> tuple[Stored, ...]:
        """What the version has in the store, by its own file list.

        Raises:
            KeptError: it has none that holds, or something of it is not below its one word.
        """
        contents = self.versions.contents(name, lambda *place: self._word(*place) is not None)
        stored = tuple(file.stored for file in contents.files.files if file.stored is not None)
        bucket = contents.bucket
        words = {self._word(bucket, one.key) for one in stored if bucket is not None}
        if not all(_is_its_own(word, contents.files, self.job) for word in words):
            raise KeptError(f"{name}: its files are not below its own word")
        return stored

    def _word(self, bucket: str, key: str) -> Word | None:
        return None if self.objects is None else self.objects.word(bucket, key)

    def _finish_leaving(self) -> None:
        """Delete the objects of a version once W&B itself says that it is gone."""
        leaving = self._leaving
        if leaving is None:
            return
        if self.versions.is_gone(leaving.name):
            if self.objects is not None and leaving.files:
                self.objects.delete(leaving.files)
            _log.info("%s and its %d objects are deleted", leaving.name, len(leaving.files))
        self._leaving = None

    def _sweep(self) -> None:
        now = self.clock()
        if self.objects is None:
            return
        if self._swept_at is not None and now - self._swept_at < _SWEPT_EVERY:
            return
        listing = self.objects.listing()
        if self.objects.is_shared():
            _log.warning("--keep: orphans stay: another lineage has uploaded below the same root")
        else:
            # After the listing: what was committed meanwhile is among the living.
            living = {self._word(*place) for place in self.versions.references()}
            held = {word for word in living if word is not None}
            found = orphans(listing, held, self.job.attempt)
            self._remove([listing.words[word].keys for word in found])
        self._swept_at = now

    def _remove(self, found: Sequence[Sequence[str]]) -> None:
        for keys in found:
            self.fence.require_open()
            if self.objects is not None:
                self.objects.remove(keys)
        if found:
            _log.info("--keep: the objects of %d lost checkpoints are deleted", len(found))


def _is_its_own(word: Word | None, files: FileList, job: Job) -> bool:
    return word is not None and word.word == files.word and word.attempt <= job.attempt
