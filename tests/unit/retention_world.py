"""W&B and the store of a lineage in memory, and a process that can die before or after any call."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from resilient_training.job import Job
from resilient_training.run.deleting import NotNowError, Retention, SupersededError
from resilient_training.run.file_list import FileList, ListedFile, Stored
from resilient_training.run.held_files import Contents
from resilient_training.run.lineage_versions import KeptError, Look
from resilient_training.run.orphans import Listing, Uploaded, Word, word_of
from resilient_training.run.place import Place
from resilient_training.run.retention import Listed
from tests.unit.retained import listed

Answer = TypeVar("Answer")
BELOW = Place("bucket", "team/root/")


class Crash(BaseException):
    """The process is gone: nothing of its own catches it."""


@dataclass
class World:
    """What outlives a process. `dies_at` counts the moments before and after each call of it."""

    versions: dict[str, Listed] = field(default_factory=dict)
    lists: dict[str, FileList] = field(default_factory=dict)
    objects: dict[str, datetime] = field(default_factory=dict)
    holder: str = "first"
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    dies_at: int | None = None
    moments: int = 0
    shared: bool = False
    before: Callable[[str], object] = lambda _: None

    def commit(self, step: int, attempt: int = 1) -> str:
        number = len(self.lists)
        word = f"{number:08x}"
        self.upload(attempt, word)
        self._drop_latest()
        name = f"v{number}"
        self.versions[name] = listed(number, step, "latest", attempt=attempt)
        keys = sorted(key for key in self.objects if f"/{word}/" in key)
        files = tuple(
            ListedFile(key.rpartition("/")[2], 1, "0" * 64, Stored(key, "etag", "id"))
            for key in keys
        )
        self.lists[name] = FileList("checkpoint", "dcp", word, files)
        return name

    def upload(self, attempt: int, word: str) -> None:
        for file in ("a", "b"):
            self.objects[BELOW.key(f"a{attempt}", word, "checkpoint", file)] = self.now

    def _drop_latest(self) -> None:
        for name, one in self.versions.items():
            self.versions[name] = replace(one, marks=one.marks - {"latest"})

    def call(self, name: str, answer: Callable[[], Answer]) -> Answer:
        self.before(name)
        self._live()
        answered = answer()
        self._live()
        return answered

    def _live(self) -> None:
        if self.moments == self.dies_at:
            raise Crash
        self.moments += 1

    def is_whole(self) -> bool:
        """Whether all that a living version refers to is there."""
        refs = {key for name in self.versions for key in self.keys_of(name)}
        return refs <= self.objects.keys()

    def keys_of(self, name: str) -> set[str]:
        return {file.stored.key for file in self.lists[name].files if file.stored is not None}

    def has_orphans(self) -> bool:
        refs = {key for name in self.versions for key in self.keys_of(name)}
        return not self.objects.keys() <= refs


@dataclass(frozen=True)
class WorldsVersions:
    world: World

    def look(self) -> Look:
        found = tuple(self.world.versions.values())
        return self.world.call("look", lambda: Look(found, self.world.holder))

    def contents(self, name: str, trusts: Callable[[str, str], bool]) -> Contents:
        files = self.world.lists[name]
        if not all(trusts("bucket", file.stored.key) for file in files.files if file.stored):
            raise KeptError(f"{name}: below no store that this job allows")
        return self.world.call("contents", lambda: Contents(files, "bucket"))

    def delete(self, name: str) -> None:
        if self.world.versions[name].marks:
            raise KeptError(f"{name}: it has an alias by now")
        self.world.call("delete version", lambda: self.world.versions.pop(name))

    def is_gone(self, name: str) -> bool:
        return self.world.call("is gone", lambda: name not in self.world.versions)

    def references(self) -> frozenset[tuple[str, str]]:
        names = self.world.versions
        keys = {("bucket", key) for name in names for key in self.world.keys_of(name)}
        return self.world.call("references", lambda: frozenset(keys))


@dataclass(frozen=True)
class WorldsObjects:
    world: World

    def word(self, bucket: str, key: str) -> Word | None:
        below = BELOW.holds(bucket, key)
        return word_of(key.removeprefix(BELOW.prefix)) if below else None

    def delete(self, files: Sequence[Stored]) -> None:
        self.remove([one.key for one in files])

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.world.call("delete object", partial(self.world.objects.pop, key, None))

    def listing(self) -> Listing:
        return self.world.call("listing", self._listing)

    def _listing(self) -> Listing:
        words: dict[Word, Uploaded] = {}
        for key, at in self.world.objects.items():
            word = self.word("bucket", key)
            if word is not None:
                before = words.get(word, Uploaded((), at))
                words[word] = Uploaded((*before.keys, key), max(at, before.newest))
        return Listing(self.world.now, words)

    def is_shared(self) -> bool:
        return self.world.shared


@dataclass
class OpenFence:
    closed: bool = False
    decided: bool = False
    named: str | None = None

    def require_open(self) -> None:
        if self.closed:
            raise NotNowError("the training ends")

    def wanted(self) -> str | None:
        if self.decided:
            raise SupersededError("the controller has decided on this job")
        return self.named


def retention_in(
    world: World, job: Job, made: Iterable[str], fence: OpenFence | None = None
) -> Retention:
    """One life of a wrapper, which has begun the run of checkpoints last."""
    world.holder = f"life of attempt {job.attempt} at {world.now}"
    ports = WorldsVersions(world), WorldsObjects(world), fence or OpenFence()
    return Retention(job, 2, world.holder, *ports, clock=_seconds(world), made=list(made))


def _seconds(world: World) -> Callable[[], float]:
    return lambda: (world.now - datetime(2026, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
