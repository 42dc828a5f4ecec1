"""The file list of one checkpoint (`files.json`): what a restore has to bring, and from where.

Whoever may log to the W&B project can write one. So nothing in it is believed before it was looked
at: a path that leaves the folder, a path that is there twice, a size that is no number.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from resilient_training.run.invalid_input import (
    InvalidInputError,
    json_from,
    require,
    require_key,
    require_name,
    require_path,
    shown,
)

LIST_NAME = "files.json"
# A hundred thousand files; a longer list is a mistake or an attack.
MOST_LIST_BYTES = 32 << 20
_FORMAT = 1
_MOST_SIZE = 2**63 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LAYOUT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_WORD = re.compile(r"[0-9a-f]{8}")
_TEXT = re.compile(r"[\x20-\x7e]{1,1024}")


@dataclass(frozen=True)
class Stored:
    """Where a store has a file: `key` within the bucket, ETag without quotes, and VersionId.

    `version_id` is None in a bucket that is not versioned.
    """

    key: str
    etag: str
    version_id: str | None = None

    def __post_init__(self) -> None:
        require_key(self.key)
        for text in (self.etag, *([] if self.version_id is None else [self.version_id])):
            require(_TEXT.fullmatch(text) is not None, "no ETag or VersionId", text)


@dataclass(frozen=True)
class ListedFile:
    """One file: its path below the checkpoint's folder, its bytes, and their sha256 in hex."""

    path: str
    size: int
    sha256: str
    stored: Stored | None = None

    def __post_init__(self) -> None:
        require_path(self.path)
        # That is where the list itself is; W&B fetches by the beginning of a name.
        mine = self.path.startswith(LIST_NAME)
        require(not mine, f"a path that begins with {LIST_NAME}", self.path)
        require(0 <= self.size <= _MOST_SIZE, "no size", self.size)
        require(_SHA256.fullmatch(self.sha256) is not None, "no sha256", self.sha256)


@dataclass(frozen=True)
class FileList:
    """The files of one checkpoint, sorted by path: all of them in a store, or none.

    Attributes:
        folder: The name of the checkpoint's folder.
        layout: How its framework lays out checkpoints.
        word: 8 hex digits, drawn for each checkpoint. W&B answers an artifact that it has with the
            version that it has, and a replayed checkpoint may not become a rejected version again.

    Raises:
        InvalidInputError: it is none.
    """

    folder: str
    layout: str
    word: str
    files: tuple[ListedFile, ...]

    def __post_init__(self) -> None:
        require_name(self.folder)
        require(_LAYOUT.fullmatch(self.layout) is not None, "no layout", self.layout)
        require(is_word(self.word), "no word of 8 hex digits", self.word)
        require(bool(self.files), "no files", self.files)
        _require_tree([file.path for file in self.files])
        stored = {file.stored is not None for file in self.files}
        require(len(stored) == 1, "some files in a store and some not", self.folder)

    @property
    def is_file(self) -> bool:
        """Whether the checkpoint is no folder, but one file of this name."""
        return [file.path for file in self.files] == [self.folder]

    @property
    def is_stored(self) -> bool:
        return all(file.stored is not None for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Canonical JSON: the same list is the same bytes."""
        content = {
            "format": _FORMAT,
            "folder": self.folder,
            "layout": self.layout,
            "word": self.word,
            "files": [file_to_json(file) for file in self.files],
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None


def file_list_from(raw: bytes) -> FileList:
    """Read a file list.

    Raises:
        InvalidInputError: it is none, or is not written as `to_bytes` writes it.
    """
    value = json_from(raw)
    if isinstance(value, dict) and value.get("format") != _FORMAT:
        raise InvalidInputError(f"its format is {shown(value.get('format'))}, not {_FORMAT}")
    match value:
        case {"folder": str(folder), "layout": str(layout), "word": str(word), "files": list(all_)}:
            found = FileList(folder, layout, word, tuple(map(file_from_json, all_)))
        case _:
            raise InvalidInputError("it is no file list")
    # Else two texts would be one list, and a sha256 would not stand for what it says.
    require(found.to_bytes() == raw, "not canonical", raw[:40])
    return found


def file_from_json(value: object) -> ListedFile:
    """Read what `file_to_json` gives.

    Raises:
        InvalidInputError: it is none.
    """
    match value:
        case {"path": str(path), "size": int(size), "sha256": str(sha256), **rest}:
            require(not isinstance(size, bool), "no size", size)
            return ListedFile(path, size, sha256, _stored_from(rest))
        case _:
            raise InvalidInputError(f"not a file: {shown(value)}")


def file_to_json(file: ListedFile) -> dict[str, Any]:
    content: dict[str, Any] = {"path": file.path, "size": file.size, "sha256": file.sha256}
    if file.stored is not None:
        content |= {"key": file.stored.key, "etag": file.stored.etag}
        version = file.stored.version_id
        content |= {} if version is None else {"version_id": version}
    return content


def _stored_from(rest: dict[object, object]) -> Stored | None:
    match rest:
        case {"key": str(key), "etag": str(etag), "version_id": str(version), **more} if not more:
            return Stored(key, etag, version)
        case {"key": str(key), "etag": str(etag), **more} if not more:
            return Stored(key, etag)
        case _:
            require(not rest, "not the place of a file", rest)
            return None


def _require_tree(paths: list[str]) -> None:
    for one, next_one in pairwise(paths):
        require(one < next_one, "not sorted, or there twice", next_one)
    files = set(paths)
    for path in paths:
        above = (path[:at] for at, sign in enumerate(path) if sign == "/")
        require(not any(one in files for one in above), "below another file", path)
