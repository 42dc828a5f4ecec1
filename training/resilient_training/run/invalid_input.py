"""What a stranger may have written, refused before anything acts on it."""

from __future__ import annotations

import json
import re

_MOST_PATH_BYTES = 900  # a key in S3 has at most 1,024 bytes, and ours begins with a prefix
_MOST_NAME_BYTES = 255  # of a file system
_MOST_KEY_BYTES = 1024
_MOST_DEPTH = 32  # more has no framework, and each folder of each path costs a look
_MOST_SHOWN = 120
# A backslash is a separator elsewhere.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


class InvalidInputError(ValueError):
    """It cannot be what its writer meant, or would do harm; says what, in one line."""


def require(holds: bool, why: str, what: object) -> None:  # noqa: FBT001 - it is what is required
    """Raise InvalidInputError unless it holds; `what` is shown behind the reason."""
    if not holds:
        raise InvalidInputError(f"{why}: {shown(what)}")


def shown(what: object) -> str:
    """A stranger's text, short and without what a terminal would obey."""
    return ascii(what)[:_MOST_SHOWN]


def json_from(raw: bytes) -> object:
    """Read JSON.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("it is no JSON") from error


def require_path(path: str) -> None:
    """Refuse a path that is not below its folder, or that another machine cannot have.

    Raises:
        InvalidInputError: it is refused.
    """
    _require_segments(path, _MOST_PATH_BYTES)


def require_key(key: str) -> None:
    """Refuse what is no plain key of S3.

    Raises:
        InvalidInputError: it is refused.
    """
    _require_segments(key, _MOST_KEY_BYTES)


def require_name(name: str) -> None:
    """Refuse what is not the name of one visible file or folder.

    Raises:
        InvalidInputError: it is refused.
    """
    _require_segments(name, _MOST_NAME_BYTES)
    require("/" not in name and not name.startswith("."), "no name of a folder", name)


def _require_segments(path: str, most: int) -> None:
    names = path.split("/")
    plain = _CONTROL.search(path) is None and not {"", ".", ".."} & set(names)
    require(plain, "no plain relative path", path)
    try:
        sizes = [len(name.encode()) for name in names]
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"not UTF-8: {shown(path)}") from error
    fits = max(sizes) <= _MOST_NAME_BYTES and sum(sizes) + len(sizes) - 1 <= most
    require(fits and len(names) <= _MOST_DEPTH, "too long a path", path)
