"""The hosts of one job in memory: disks, processes, a board and a store, and what breaks them.

A training is one pass of one round: its content says so. A checkpoint's name is used again by each
pass, as a replayed step does it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from resilient_training.run.agreement import Arriving, Calling
from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.meeting import Complete, FirstHost, Missing, OtherHost, held_of
from resilient_training.run.messages import Announcement, Chosen
from resilient_training.run.store_errors import StoreError

FIRST = "algo-1"
METADATA = ".metadata"


def key_of(word: str, host: str, folder: str, path: str) -> str:
    return f"night/a1/{word}/{host}/{folder}/{path}"


def part_of(host: str) -> str:
    return f"rank-{host}"


class CrashError(Exception):
    """The process died at this point."""


@dataclass
class Weather:
    """What the next requests end in: `fails` is asked at each one."""

    left: int = 0
    kind: Literal["away", "crash"] = "away"

    def pass_one(self) -> None:
        if self.left == 0:
            return
        self.left -= 1
        if self.left == 0:
            raise StoreError("away") if self.kind == "away" else CrashError


@dataclass
class MemoryBoard:
    weather: Weather = field(default_factory=Weather)
    messages: dict[str, bytes] = field(default_factory=dict)
    ever: list[tuple[str, bytes]] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        self.weather.pass_one()
        self.messages[name] = content
        self.ever.append((name, content))
        self.weather.pass_one()

    def get(self, name: str) -> bytes | None:
        self.weather.pass_one()
        return self.messages.get(name)


@dataclass
class MemoryStore:
    """Objects by key, each with all its versions."""

    weather: Weather
    objects: dict[str, list[bytes]] = field(default_factory=dict)

    def upload(self, key: str, path: str, content: bytes) -> ListedFile:
        self.weather.pass_one()
        versions = self.objects.setdefault(key, [])
        versions.append(content)
        self.weather.pass_one()
        sha256 = hashlib.sha256(content).hexdigest()
        return ListedFile(path, len(content), sha256, Stored(key, "etag", str(len(versions))))

    def content_of(self, file: ListedFile) -> bytes:
        assert file.stored is not None
        assert file.stored.version_id is not None
        return self.objects[file.stored.key][int(file.stored.version_id) - 1]


@dataclass
class Host:
    name: str
    disk: dict[str, dict[str, bytes]] = field(default_factory=dict)
    beginning: Calling | Arriving | None = None
    meeting: FirstHost | OtherHost | None = None
    round: str | None = None
    trained: int = 0

    @property
    def is_alive(self) -> bool:
        return self.beginning is not None or self.meeting is not None

    def die(self, *, wiped: bool) -> None:
        self.beginning = self.meeting = self.round = None
        self.trained = 0
        if wiped:
            self.disk.clear()

    def write(self, step: int, path: str) -> None:
        folder = self.disk.setdefault(f"step-{step}", {})
        folder[path] = content(self.round, step, path)

    def files(self, folder: str) -> dict[str, bytes]:
        return dict(self.disk.get(folder, {}))


def content(round_: str | None, step: int, path: str) -> bytes:
    return f"{round_} {step} {path}".encode()


@dataclass(frozen=True)
class Committed:
    """What the first host committed: of which round and word, and with which files."""

    round: str
    word: str
    folder: str
    step: int
    files: tuple[ListedFile, ...]


@dataclass
class Pending:
    announcement: Announcement
    own: Sequence[ListedFile]
    step: int


class HostsOfAJob:
    """All hosts, and what they do one small act at a time."""

    def __init__(self, others: int) -> None:
        self.weather = Weather()
        self.board = MemoryBoard(self.weather)
        self.store = MemoryStore(self.weather)
        names = [f"algo-{number}" for number in range(1, others + 2)]
        self.hosts = {name: Host(name) for name in names}
        self.others = tuple(names[1:])
        self.committed: list[Committed] = []
        self.complete: list[int] = []  # steps that the first host's process has seen as complete
        self.pending: Pending | None = None
        self._words = 0

    @property
    def first(self) -> Host:
        return self.hosts[FIRST]

    def word(self) -> str:
        self._words += 1
        return f"{self._words:08x}"

    def start(self, host: Host) -> None:
        if not host.is_alive:
            first = host.name == FIRST
            word = self.word()
            host.beginning = (
                Calling(self.board, self.others, word)
                if first
                else Arriving(self.board, host.name, word)
            )
            if first:
                self.complete, self.pending = [], None

    def begin(self, host: Host) -> None:
        """One look of a host that has not begun yet."""
        match host.beginning:
            case Calling() as calling:
                calling.call()
                arrivals = calling.arrivals()
                if not calling.missing(arrivals):
                    calling.begin(arrivals, Chosen("e/p/c:v1", "digest", 15))
                    self._is_in(host, calling.round)
                    host.meeting = FirstHost(self.board, self.others, calling.round, key_of)
            case Arriving() as arriving:
                begun = arriving.look()
                if begun is not None:
                    self._is_in(host, begun.round)
                    host.meeting = OtherHost(self.board, host.name, begun.round)
            case None:
                return

    @staticmethod
    def _is_in(host: Host, round_: str) -> None:
        host.beginning, host.round, host.trained = None, round_, 0

    def train(self, host: Host) -> None:
        """A host's ranks write their part of the next checkpoint, after the others' last part."""
        at = [one.trained for one in self.hosts.values() if one.round == host.round]
        together = len(at) == len(self.hosts) and host.trained == min(at)
        if host.round is not None and together:
            host.trained += 1
            host.write(host.trained, part_of(host.name))

    def finish_save(self) -> None:
        """The first host's rank 0 gathers, writes what the checkpoint consists of, and rotates."""
        round_ = self.first.round
        hosts = self.hosts.values()
        step = self.first.trained
        gathered = all(one.round == round_ and one.trained == step for one in hosts)
        if round_ is not None and gathered and step and step not in self.complete:
            self.first.write(step, METADATA)
            self.complete.append(step)

    def announce(self) -> None:
        """The first host announces its newest checkpoint, and uploads its own files."""
        meeting = self.first.meeting
        if not isinstance(meeting, FirstHost) or not self.complete:
            return
        step = self.complete[-1]
        if self.pending is not None and self.pending.step == step:
            return
        word, folder = self.word(), f"step-{step}"
        self.pending = None
        have = self.first.files(folder)
        if METADATA not in have:
            return  # what the checkpoint consists of cannot be read any more
        parts = {name: content(self.first.round, step, part_of(name)) for name in self.hosts}
        needs = {part_of(name): len(part) for name, part in parts.items()}
        wanted = {path: size for path, size in needs.items() if path not in have}
        announcement = meeting.announce(word, folder, wanted)
        own = self._uploaded(self.first, word, folder, list(self.first.files(folder)))
        self.pending = Pending(announcement, own, step)

    def _uploaded(self, host: Host, word: str, folder: str, names: list[str]) -> list[ListedFile]:
        files = host.files(folder)
        return [
            self.store.upload(key_of(word, host.name, folder, name), name, files[name])
            for name in names
        ]

    def answer(self, host: Host) -> None:
        """Another host looks at the board, uploads what it has, and says so."""
        meeting = host.meeting
        if isinstance(meeting, OtherHost) and (asked := meeting.announced()) is not None:
            sizes = {path: len(one) for path, one in host.files(asked.folder).items()}
            names = held_of(asked, sizes)
            if names:
                meeting.answer(asked, self._uploaded(host, asked.word, asked.folder, names))

    def collect(self) -> Complete | Missing | None:
        """The first host looks at the answers, and commits what they complete."""
        meeting, pending = self.first.meeting, self.pending
        if not isinstance(meeting, FirstHost) or pending is None:
            return None
        found = meeting.collect(pending.announcement, pending.own)
        if isinstance(found, Complete):
            asked = pending.announcement
            made = Committed(asked.round, asked.word, asked.folder, pending.step, found.files)
            self.committed.append(made)
            self.pending = None
            self.complete.clear()
        return found
