"""Finds the checkpoints that a framework has finished, and takes a snapshot of each at once."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.complete import Complete, Incomplete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layout import Unit
from resilient_training.run.listing import listing_of
from resilient_training.run.numbering import number_of
from resilient_training.run.recognition import guess
from resilient_training.run.snapshot import Finished, NotTakenError, Snapshot, take

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resilient_training.run.layout import Layout
    from resilient_training.run.listing import Listing
    from resilient_training.run.numbering import Number

_log = logging.getLogger(__name__)

# What a save makes and takes away again.
_PASSING = re.compile(r"(?:^|/)\.[^/]*$|tmp|temp|incomplete|partial|\.bkp$|\.lock$", re.IGNORECASE)


@dataclass(frozen=True)
class _Ready:
    path: Path
    number: Number | None
    listing: Listing
    elsewhere: Mapping[str, int | None]

    @property
    def order(self) -> tuple[int, str]:
        return (-1 if self.number is None else self.number.value, self.path.name)


class Watch:
    """The checkpoints of one training, below one folder, on this host's disk.

    It asks the disk only in `found`, and keeps no thread. Whatever a dead predecessor left in
    `snapshots` is removed.

    Args:
        parent: The folder of checkpoints; it need not be there yet.
        layout: None: as recognised by what appears there.
        processes: Of the whole training.
        snapshots: Where snapshots are made; `hidden_folder` finds a good place.
        here: The ranks whose files this disk holds, where each host has a disk of its own.
    """

    def __init__(
        self,
        parent: Path,
        layout: Layout | None,
        processes: int,
        snapshots: Path,
        *,
        here: range | None = None,
    ) -> None:
        self.parent, self.layout, self.snapshots = parent, layout, snapshots
        self.ranks = Ranks(processes, here)
        self._seen: dict[str, Listing] = {}
        self._listings: dict[str, Listing] = {}
        self._losing: set[str] = set()
        self._said: dict[str, str] = {}
        self._steps: dict[int, str] = {}
        self._shape: tuple[str, frozenset[str]] = ("", frozenset())
        shutil.rmtree(snapshots, ignore_errors=True)

    def mark_seen(self, name: str, step: int | None = None) -> None:
        """A checkpoint that was restored is none to be found; later ones count on from its step."""
        path = self.parent / name
        self._seen[name] = listing_of(path) if path.exists() else ()
        if step is not None:
            self._steps[step] = name

    def mark_all_seen(self) -> None:
        """What is there before the training starts is none of its checkpoints."""
        for path in self.parent.iterdir() if self.parent.is_dir() else ():
            self.mark_seen(path.name)

    def found(self, *, final: bool = False) -> list[Snapshot]:
        """Snapshots of what is newly complete and has not changed since the last call.

        Args:
            final: The training has ended, so that nothing can change any more.

        Returns:
            Oldest first. The caller removes each when it needs it no more.
        """
        if not self._recognised():
            return []
        ready = [one for path in self._candidates() if (one := self._ready(path, final=final))]
        taken = [self._take(one) for one in sorted(ready, key=lambda one: one.order)]
        return [snapshot for snapshot in taken if snapshot is not None]

    def notes(self) -> list[str]:
        """What was said last of each folder, such as why it is not complete."""
        return list(self._said.values())

    def _recognised(self) -> bool:
        if self.layout is None and self.parent.is_dir():
            guessed = guess(self.parent)
            self.layout = guessed.layout
            self._say("layout", f"layout {guessed.why}" if guessed.layout else guessed.why)
        return self.layout is not None and self.parent.is_dir()

    def _candidates(self) -> list[Path]:
        """Links are names for what has one of its own."""
        try:
            paths = [path for path in self.parent.iterdir() if self._layout.matches(path.name)]
        except OSError as error:
            self._say("parent", f"{self.parent} cannot be read: {error}")
            return []
        for name in self._listings.keys() - {path.name for path in paths}:
            del self._listings[name]
            self._losing.discard(name)
        return [path for path in paths if not path.is_symlink() and not self._is_done(path.name)]

    def _is_done(self, name: str) -> bool:
        return name in self._seen and not self._layout.is_rewritten(name)

    @property
    def _layout(self) -> Layout:
        if self.layout is None:
            raise RuntimeError("no layout is recognised yet: `found` goes on only with one")
        return self.layout

    def _ready(self, path: Path, *, final: bool) -> _Ready | None:
        try:
            listing = listing_of(path)
            if not self._is_new(path.name, listing) or not self._stands(path.name, listing, final):
                return None
            verdict = self._completeness(path, listing)
            number = number_of(path, self._layout)
        except FileNotFoundError:
            return None  # a rotation was faster
        except OSError as error:
            self._say(path.name, f"{path.name} cannot be read: {error}")
            return None
        reason = verdict.reason if isinstance(verdict, Incomplete) else self._lack(listing)
        if isinstance(verdict, Incomplete) or reason is not None:
            self._say(path.name, f"{path.name} is not complete: {reason}")
            return None
        return _Ready(path, number, listing, verdict.elsewhere)

    def _completeness(self, path: Path, listing: Listing) -> Complete | Incomplete:
        return completeness_of(path, self._layout, self.ranks, listing)

    def _is_new(self, name: str, listing: Listing) -> bool:
        shown = self._layout.shows_in(file.path for file in listing)
        return shown and self._seen.get(name) != listing

    def _stands(self, name: str, listing: Listing, final: bool) -> bool:  # noqa: FBT001 — of `found`
        before = self._listings.get(name)
        self._listings[name] = listing
        if not self._layout.in_place and _loses(before or (), listing):
            self._losing.add(name)
        if name in self._losing:
            self._say(name, f"{name} is being deleted")
            return False
        return final or before == listing

    def _lack(self, listing: Listing) -> str | None:
        """Of layouts that write nothing last: what the checkpoint before had."""
        name, shape = self._shape
        lacking = sorted(shape - _shape_of(listing))
        return f"{lacking[0]} is missing, which {name} had" if lacking else None

    def _take(self, ready: _Ready) -> Snapshot | None:
        name, step = ready.path.name, self._step_of(ready.number)
        if step in self._steps:
            self._seen[name] = ready.listing
            self._say(name, f"{name} has step {step}, as {self._steps[step]} had: not taken")
            return None
        finished = Finished(ready.path, step, ready.listing, ready.elsewhere)
        try:
            snapshot = take(finished, self._layout, self.snapshots)
        except NotTakenError as error:
            self._say(name, str(error))
            return None
        if self._layout.beside and self._has_passed(ready):
            snapshot.remove()
            return None
        self._seen[name], self._steps[step] = ready.listing, name
        self._shape = (name, _shape_of(ready.listing)) if self._layout.settles else self._shape
        return snapshot

    def _has_passed(self, ready: _Ready) -> bool:
        """What stands beside it may have been written for the next one meanwhile."""
        return isinstance(self._completeness(ready.path, ready.listing), Incomplete)

    def _step_of(self, number: Number | None) -> int:
        """A count of saves may begin at 0 again in each attempt; what is made of it never does."""
        if number is not None and number.unit is not Unit.SAVE:
            return number.value
        return max(number.value if number else 0, max(self._steps, default=-1) + 1)

    def _say(self, subject: str, line: str) -> None:
        """Each line once, until something else is said of the same."""
        if self._said.get(subject) != line:
            self._said[subject] = line
            _log.info("%s", line)


def _loses(before: Listing, now: Listing) -> bool:
    gone = {file.path for file in before} - {file.path for file in now}
    return any(not _PASSING.search(path) for path in gone)


def _shape_of(listing: Listing) -> frozenset[str]:
    return frozenset(re.sub(r"\d+", "#", file.path) for file in listing)
