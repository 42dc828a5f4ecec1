"""What the rules of completeness look at, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from resilient_training.run.listing import sizes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resilient_training.run.layout import Layout
    from resilient_training.run.listing import Listing


@dataclass(frozen=True)
class Ranks:
    """The processes of the training, all hosts together.

    `here`: those whose files this disk holds, where each host has a disk of its own. None: the disk
    holds the files of all, as on one host or on a shared file system.
    """

    count: int
    here: range | None = None

    def write_here(self, rank: int) -> bool:
        return self.here is None or rank in self.here


@dataclass(frozen=True)
class Elsewhere:
    """A file that the checkpoint needs and another host's disk holds; size in bytes, if known."""

    path: str
    size: int | None = None


# A reason why the checkpoint is not complete, or a file to be brought from another host.
Finding = str | Elsewhere


@dataclass(frozen=True)
class Candidate:
    """A folder or file that has the name of a checkpoint."""

    path: Path
    layout: Layout
    listing: Listing
    ranks: Ranks

    @property
    def parent(self) -> Path:
        return self.path.parent

    @property
    def is_file(self) -> bool:
        return [file.path for file in self.listing] == [self.path.name] and self.path.is_file()

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        return sizes_of(self.listing)

    def like(self, *patterns: str) -> list[str]:
        """The files that match one of the globs; `*` matches slashes too."""
        return [p for p in self.sizes if any(fnmatchcase(p, pattern) for pattern in patterns)]

    def written(self, path: str) -> int:
        """When it was written last, in ns since 1970; 0: it is not there."""
        return next((file.written for file in self.listing if file.path == path), 0)

    def missing(self, *paths: str) -> Iterator[Finding]:
        return (f"{path} is missing" for path in paths if path not in self.sizes)

    def none_of(self, what: str, *patterns: str) -> Iterator[Finding]:
        if not self.like(*patterns):
            yield f"{what} is missing"

    def of_each_rank(self, name: str) -> Iterator[Finding]:
        """`name` has `{rank}`."""
        for rank in range(self.ranks.count):
            path = name.format(rank=rank)
            if path in self.sizes:
                continue
            if self.ranks.write_here(rank):
                yield f"{path} is missing (of {self.ranks.count} processes)"
            else:
                yield Elsewhere(path)
