"""Objects in a store that no version refers to: whose upload was cut off, or whose version is gone.

They are found by their words: `<root>/a<attempt>/<word>/…`, each word drawn for one checkpoint. An
upload that is under way looks the same, whichever attempt makes it. So only what is old is deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# From the upload of its newest object to the commit of a checkpoint: minutes, and never a day. The
# SDK gives a commit up after some 20 minutes, and S3 dates a large object by the upload's begin.
GUARD = timedelta(days=1)
_WORD = re.compile(r"a([1-9][0-9]{0,8})/([0-9a-f]{8})/.+", re.DOTALL)


@dataclass(frozen=True, order=True)
class Word:
    """Below a lineage's root, `a<attempt>/<word>`: all that was uploaded for one checkpoint."""

    attempt: int
    word: str


@dataclass(frozen=True)
class Uploaded:
    """What lies below one word, and when the newest of it came, by the store's clock."""

    keys: tuple[str, ...]
    newest: datetime


@dataclass(frozen=True)
class Listing:
    """All words below a lineage's root, and when the store said so, by its own clock."""

    at: datetime
    words: Mapping[Word, Uploaded]


def word_of(below_root: str) -> Word | None:
    """The word of a key, given without the root; None: it is no checkpoint's file."""
    found = _WORD.fullmatch(below_root)
    return None if found is None else Word(int(found[1]), found[2])


def orphans(listing: Listing, living: Iterable[Word], attempt: int) -> list[Word]:
    """The words to delete: of no version, old, and of no attempt after `attempt`.

    `living` has to be looked up after the listing: a commit between the two is in it then.
    """
    held = frozenset(living)
    return sorted(
        word
        for word, uploaded in listing.words.items()
        if word not in held and word.attempt <= attempt and listing.at - uploaded.newest >= GUARD
    )
