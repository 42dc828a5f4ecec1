"""Numbers, steps, versions and times, as tags and Environments hold them. Pure."""

import re
from datetime import UTC, datetime

_VERSION = re.compile(r"v[0-9]{1,9}")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_UNKNOWN_STEP = "unknown"
_MOST_DIGITS_OF_OURS = 18  # of a number that the controller wrote


class UnreadableTagError(ValueError):
    """A tag of ours holds what we never write."""


def step_word(step: int | None) -> str:
    return _UNKNOWN_STEP if step is None else str(step)


def stamp(instant: int) -> str:
    """Epoch seconds as the UTC text that a tag may hold."""
    return datetime.fromtimestamp(instant, UTC).strftime(_STAMP)


def instant(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise UnreadableTagError("not a UTC time") from error


def whole(text: str) -> int:
    if not is_whole(text):
        raise UnreadableTagError("not a whole number")
    return int(text)


def is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS_OF_OURS


def version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise UnreadableTagError("not a version")
    return text


def step_of(text: str) -> int | None:
    """Read a step; None: it is unknown. Raises UnreadableTagError for what is none."""
    return None if text == _UNKNOWN_STEP else whole(text)
