"""What the hosts of one job write to each other, as JSON on a board that all of them see.

Whoever may write to the board can write one. So each is read into a frozen type, or refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.run.file_list import (
    ListedFile,
    file_from_json,
    file_to_json,
    is_word,
)
from resilient_training.run.invalid_input import (
    InvalidInputError,
    json_from,
    require,
    require_name,
    require_path,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Call:
    """The first host asks the others to begin with it: `round` is drawn at each of its starts."""

    round: str

    def to_bytes(self) -> bytes:
        return _json({"round": self.round})


@dataclass(frozen=True)
class Arrival:
    """A host has heard the call; `word` is drawn at each of its starts."""

    round: str
    host: str
    word: str

    def to_bytes(self) -> bytes:
        return _json({"round": self.round, "host": self.host, "word": self.word})


@dataclass(frozen=True)
class Chosen:
    """The version that all hosts restore; `name` is `entity/project/collection:vN`."""

    name: str
    digest: str
    step: int | None


@dataclass(frozen=True)
class Begun:
    """The round has these hosts, by their words, and begins with `chosen`; None: at the start."""

    round: str
    words: Mapping[str, str]
    chosen: Chosen | None

    def to_bytes(self) -> bytes:
        chosen = self.chosen
        shown_ = None if chosen is None else [chosen.name, chosen.digest, chosen.step]
        return _json({"round": self.round, "words": dict(self.words), "chosen": shown_})


@dataclass(frozen=True)
class Announcement:
    """The first host has a complete checkpoint, of which its own disk lacks the files `wanted`.

    Attributes:
        word: Of this checkpoint; every key of it has it.
        wanted: Path and size in bytes; None: nobody knows the size.
    """

    round: str
    word: str
    folder: str
    wanted: Mapping[str, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_words(self.round, self.word)
        require_name(self.folder)
        for path, size in self.wanted.items():
            require_path(path)
            require(size is None or (type(size) is int and size >= 0), "no size", size)

    def to_bytes(self) -> bytes:
        known = {"round": self.round, "word": self.word, "folder": self.folder}
        return _json({**known, "wanted": dict(self.wanted)})

    def gives(self, path: str, size: int) -> bool:
        """Whether a file of this size is what is wanted."""
        return path in self.wanted and self.wanted[path] in {None, size}


@dataclass(frozen=True)
class Answer:
    """A host has uploaded these files of the checkpoint `word`; more may follow."""

    round: str
    word: str
    host: str
    files: tuple[ListedFile, ...] = ()

    def __post_init__(self) -> None:
        _require_words(self.round, self.word)

    def to_bytes(self) -> bytes:
        known = {"round": self.round, "word": self.word, "host": self.host}
        return _json({**known, "files": [file_to_json(file) for file in self.files]})


@dataclass(frozen=True)
class Kept:
    """A checkpoint is committed, and these checkpoints were on the first host's disk then."""

    round: str
    step: int
    names: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return _json({"round": self.round, "step": self.step, "names": list(self.names)})


def call_from(raw: bytes) -> Call:
    match json_from(raw):
        case {"round": str(round_)}:
            _require_words(round_)
            return Call(round_)
        case other:
            raise InvalidInputError(f"no call: {shown(other)}")


def arrival_from(raw: bytes) -> Arrival:
    match json_from(raw):
        case {"round": str(round_), "host": str(host), "word": str(word)}:
            _require_words(round_, word)
            return Arrival(round_, host, word)
        case other:
            raise InvalidInputError(f"no arrival: {shown(other)}")


def begun_from(raw: bytes) -> Begun:
    match json_from(raw):
        case {"round": str(round_), "words": dict(words), "chosen": chosen}:
            _require_words(round_, *words.values())
            return Begun(round_, words, _chosen_from(chosen))
        case other:
            raise InvalidInputError(f"no beginning: {shown(other)}")


def announcement_from(raw: bytes) -> Announcement:
    match json_from(raw):
        case {"round": str(round_), "word": str(word), "folder": str(folder), "wanted": dict(all_)}:
            return Announcement(round_, word, folder, all_)
        case other:
            raise InvalidInputError(f"no announcement: {shown(other)}")


def answer_from(raw: bytes) -> Answer:
    match json_from(raw):
        case {"round": str(round_), "word": str(word), "host": str(host), "files": list(files)}:
            return Answer(round_, word, host, tuple(map(file_from_json, files)))
        case other:
            raise InvalidInputError(f"no answer: {shown(other)}")


def kept_from(raw: bytes) -> Kept:
    match json_from(raw):
        case {"round": str(round_), "step": int(step), "names": list(names)}:
            _require_words(round_)
            require(all(isinstance(name, str) for name in names), "no names", names)
            return Kept(round_, step, tuple(names))
        case other:
            raise InvalidInputError(f"no list of what is kept: {shown(other)}")


def _chosen_from(value: object) -> Chosen | None:
    match value:
        case None:
            return None
        case [str(name), str(digest), int() | None as step]:
            return Chosen(name, digest, step)
        case _:
            raise InvalidInputError(f"no version: {shown(value)}")


def _require_words(*words: object) -> None:
    for word in words:
        require(isinstance(word, str) and is_word(word), "no word of 8 hex digits", word)


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
