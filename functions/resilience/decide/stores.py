"""Where the bytes of a checkpoint may lie: parts of S3, compared by bucket and by folder. Pure.

Three texts name such a part: the stack's parameter, the Environment of a job, and the metadata of a
version, which whoever may log a version has written.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_LONGEST = 512  # what an entry of an Environment can hold
# Narrower than what S3 takes: no encoded character, no empty folder, and none that begins with a
# dot. So nobody can write `..`, and two texts that differ are two places.
_FOLDER = "[A-Za-z0-9_=-][A-Za-z0-9_=.-]*"
_STORE = re.compile(rf"s3://([a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*)/({_FOLDER}(?:/{_FOLDER})*)/?")


@dataclass(frozen=True, slots=True)
class Store:
    """`s3://bucket/folder/…/`: all objects whose keys lie below these folders, at least one."""

    bucket: str
    folders: tuple[str, ...]

    def is_below(self, other: "Store") -> bool:
        """Whether all of it lies in the other one, or is that one.

        Whole folders are compared: `s3://b/pre-evil/` begins with `s3://b/pre` and lies elsewhere.
        """
        return self.bucket == other.bucket and self.folders[: len(other.folders)] == other.folders


@dataclass(frozen=True, slots=True)
class NoStore:
    """What should name a store, and names none."""


class StoreFault(StrEnum):
    """Why nobody may follow a version to its bytes."""

    NO_STORE = "no_store"
    NOT_OF_THE_STACK = "not_of_the_stack"
    NOT_OF_THE_LAUNCH = "not_of_the_launch"


@dataclass(frozen=True, slots=True)
class AllowedStores:
    """Where a lineage's checkpoints may lie."""

    of_the_stack: tuple[Store, ...]
    of_the_launch: Store | NoStore | None  # None: the launch sets no bounds of its own

    def fault(self, store: Store | NoStore) -> StoreFault | None:
        """Why the store is not to be believed; None: it may be."""
        if isinstance(store, NoStore):
            return StoreFault.NO_STORE
        if not any(map(store.is_below, self.of_the_stack)):
            return StoreFault.NOT_OF_THE_STACK
        launch = self.of_the_launch
        if launch is None or (isinstance(launch, Store) and store.is_below(launch)):
            return None
        return StoreFault.NOT_OF_THE_LAUNCH


def parse(text: object) -> Store | NoStore:
    """Read `s3://bucket/folder/…`, with or without a slash at its end."""
    found = _STORE.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    return NoStore() if found is None else Store(found[1], tuple(found[2].split("/")))
