"""What a host beside the first one gives of the checkpoints that the first host announces."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.run.listing import listing_of
from resilient_training.run.recognition import layout_of_parts
from resilient_training.run.rotation import rotate_as
from resilient_training.run.snapshot import NotTakenError, take_part
from resilient_training.run.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from resilient_training.run.layout import Layout
    from resilient_training.run.listing import Listing
    from resilient_training.run.meeting import OtherHost
    from resilient_training.run.messages import Announcement, Kept
    from resilient_training.run.ports import Snapshot

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Given:
    """A part that was found: what it answers, and its files."""

    announcement: Announcement
    files: frozenset[str]


@dataclass
class Announced:
    """The parts of checkpoints that this host's disk holds, as the first host asks for them.

    A part is taken when it is there and was the same at two looks: its file may still be written
    when the first host, which sees its own disk alone, announces the checkpoint.

    Attributes:
        parent: The folder of checkpoints on this host's disk.
        layout: None: as recognised by what lies there.
        snapshots: Where snapshots are made.
        patience: Seconds for which the first host's last announcement is waited for: it announces
            a checkpoint only after the upload of the one before.
        pause: Seconds between two looks at the board, at the end.
        other: This host, as it answers; None: the round has not begun.
    """

    parent: Path
    layout: Layout | None
    snapshots: Path
    patience: float = 120.0
    pause: float = 0.5
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    other: OtherHost | None = None
    _looked_at: tuple[str, Listing] = ("", ())
    # By the snapshot's folder, which is there until its upload has ended, or was overtaken.
    _given: dict[Path, _Given] = field(default_factory=dict)
    _kept: Kept | None = None

    @property
    def answering(self) -> OtherHost:
        """This host, as it answers; RuntimeError before the round begins, when nothing is found."""
        if self.other is None:
            raise RuntimeError("the round has not begun")
        return self.other

    def of(self, snapshot: Snapshot) -> Announcement:
        """The announcement that this part answers."""
        return self._given[snapshot.folder].announcement

    def found(self, *, final: bool = False) -> Sequence[Snapshot]:
        """This host's part of the checkpoint that is announced now, unless it was given.

        Args:
            final: The command has ended. The first host may announce its last checkpoint only now,
                so that it is waited for.
        """
        deadline = self.clock() + (self.patience if final else 0.0)
        while True:
            self._rotate()
            found = self._look()
            if found or self.clock() >= deadline or self._all_is_in():
                return found
            self.sleep(self.pause)

    def _look(self) -> Sequence[Snapshot]:
        try:
            announcement = None if self.other is None else self.other.announced()
        except (StoreError, OSError) as error:
            _log.debug("the first host's announcement cannot be read: %s", error)
            return []
        if announcement is None or not self._stands(announcement):
            return []
        return self._part_of(announcement)

    def _stands(self, announcement: Announcement) -> bool:
        """Whether this disk's files of it are those of the look before."""
        folder = self.parent / announcement.folder
        try:
            listing = listing_of(folder) if folder.exists() else ()
        except OSError:
            return False  # it is being written, or deleted
        before, self._looked_at = self._looked_at, (announcement.word, listing)
        return before == self._looked_at

    def _part_of(self, announcement: Announcement) -> Sequence[Snapshot]:
        wanted = self._not_in_hand(announcement)
        if not wanted:
            return []
        folder = self.parent / announcement.folder
        try:
            part = take_part(folder, self._layout, 0, wanted, self.snapshots)
        except NotTakenError as error:
            _log.info("%s", error)
            return []
        if not part.files:
            part.remove()
            return []
        self._given[part.folder] = _Given(announcement, frozenset(part.files))
        return [part]

    def _not_in_hand(self, announcement: Announcement) -> dict[str, int | None]:
        """What is wanted, without what is on its way: an upload may last for many looks."""
        self._given = {folder: one for folder, one in self._given.items() if folder.exists()}
        of_word = [
            one.files for one in self._given.values() if one.announcement.word == announcement.word
        ]
        on_its_way = frozenset[str]().union(*of_word)
        wanted = announcement.wanted.items()
        return {path: size for path, size in wanted if path not in on_its_way}

    @property
    def _layout(self) -> Layout:
        return self.layout or layout_of_parts(self.parent)

    def _all_is_in(self) -> bool:
        """Whether the newest checkpoint on this disk is committed: nothing more will be asked."""
        layout = self._layout
        names = [path.name for path in self.parent.glob("*") if layout.matches(path.name)]
        newest = max((layout.number_in_name(name) or 0 for name in names), default=-1)
        return newest <= (-1 if self._kept is None else self._kept.step)

    def _rotate(self) -> None:
        """Most scripts rotate on rank 0 alone; this disk follows the first host's."""
        try:
            kept = None if self.other is None else self.other.kept()
        except (StoreError, OSError):
            return
        if kept is None or kept == self._kept or not self.parent.is_dir():
            return
        self._kept = kept
        gone = rotate_as(self.parent, self._layout, kept.names)
        if gone:
            _log.info(
                "deleted here, as the first host's disk has them no more: %s", ", ".join(gone)
            )
