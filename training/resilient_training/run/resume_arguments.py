"""What is added to a command so that it resumes: words with the places {folder} and {parent}."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = re.compile(r"\{([^{}]*)\}")
_KNOWN = frozenset({"folder", "parent"})


class ResumeArgumentsError(Exception):
    """The words cannot be understood."""


def check(template: str) -> None:
    """Refuse a template now rather than after hours, when it is first needed.

    Raises:
        ResumeArgumentsError: a quote is not closed, or a place is unknown.
    """
    unknown = sorted(set(_PLACE.findall(template)) - _KNOWN)
    if unknown:
        raise ResumeArgumentsError(
            f"{{{unknown[0]}}} is unknown: {{folder}} is the checkpoint, {{parent}} its folder"
        )
    try:
        shlex.split(template)
    except ValueError as error:
        raise ResumeArgumentsError(f"{template!r}: {error}") from error


def words_for(template: str, folder: Path) -> list[str]:
    """The words for one checkpoint folder; a path with blanks stays one word.

    Raises:
        ResumeArgumentsError: as `check`.
    """
    check(template)
    places = {"folder": str(folder), "parent": str(folder.parent)}
    return [_PLACE.sub(lambda found: places[found[1]], word) for word in shlex.split(template)]
