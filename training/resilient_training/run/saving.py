"""From a checkpoint on disk to a version in W&B: watch, take a snapshot, upload, commit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from resilient_training.run.background import Background, Broken, Done
from resilient_training.run.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_training.run.ports import Delivery, Snapshot, Watching

_log = logging.getLogger(__name__)


class Saving:
    """Watches the folder and uploads what is complete; the wrapper's loop calls `tick`.

    Args:
        every: Seconds between the end of one look into the folder and the next.
    """

    def __init__(self, watch: Watching, delivery: Delivery, now: float, every: float = 0.5) -> None:
        self._watch = watch
        self._delivery = delivery
        self._every = every
        self._outbox = Outbox(delivery.commit)
        self._scan: Background[Sequence[Snapshot]] = Background("watch")
        self._next_scan = 0.0
        self._last_scan_asked = False
        self._last_scan_begun = False
        self._mark: tuple[object, int] = (None, 0)
        self._moved_at = now
        self.found = 0
        self.found_at: float | None = None

    @property
    def committed(self) -> int:
        return self._outbox.committed

    @property
    def is_over(self) -> bool:
        """Whether the last look was taken, and all that it found is in W&B."""
        return self._last_scan_begun and not self._scan.busy and self._outbox.is_empty

    def tick(self, now: float) -> None:
        self._take(now)
        self._outbox.tick(now)
        if not self._scan.busy and not self._last_scan_begun:
            self._look(now)

    def finish(self, now: float) -> None:
        """Look once more: the command has ended, and nobody writes any longer."""
        self._last_scan_asked = True
        self._moved_at = now
        self._outbox.hurry()

    def still_for(self, now: float) -> float:
        """Seconds for which nothing has moved: neither an upload, nor a checkpoint found."""
        mark = (self._delivery.moved(), self.committed + self.found)
        if mark != self._mark:
            self._mark, self._moved_at = mark, now
        return now - self._moved_at

    def _look(self, now: float) -> None:
        if self._last_scan_asked:
            self._last_scan_begun = True
            self._scan.start(lambda: self._watch.found(final=True))
        elif now >= self._next_scan:
            self._scan.start(self._watch.found)

    def _take(self, now: float) -> None:
        match self._scan.take():
            case None:
                return
            case Done(found):
                self._put(found, now)
            case Broken(error):
                _log.error("the checkpoints cannot be watched", exc_info=error)
                self._next_scan = now + 60 * self._every
                return
        self._next_scan = now + self._every

    def _put(self, found: Sequence[Snapshot], now: float) -> None:
        if found:
            self.found += len(found)
            self.found_at = now
            self._outbox.put(found)
