"""What W&B shows of the lineage's run: a person's stop, and rows as signs of life."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.background import Background, Broken, Done

if TYPE_CHECKING:
    from resilient_training.run.ports import Lineage, RunSeen
    from resilient_training.run.silence import Silence
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)


@dataclass
class StopOfLineage:
    """Tells a stop of this attempt from one of an earlier attempt, which W&B still shows.

    W&B forgets a stop when a client takes the run up again. Until then a run that was stopped
    before this command began looks as one that is stopped now. So a stop counts once the run was
    seen without it; or at a first look that came late and shows a run that is running.
    """

    _looked: bool = False
    _counts: bool = False

    def see(self, seen: RunSeen | None, *, command_runs: bool) -> bool:
        """Take a look at the run; gives whether a person has stopped this attempt."""
        if seen is None or not seen.stopped:
            self._counts = True
        elif not self._looked:
            self._counts = command_runs and seen.running
        self._looked = True
        return self._counts and seen is not None and seen.stopped


class LineageWatch:
    """Looks at the lineage's run every now and then.

    Args:
        lineage: None: nothing can be asked.
        every: Seconds between two questions.
    """

    def __init__(
        self, lineage: Lineage | None, stops: Stops, silence: Silence, every: float
    ) -> None:
        self._lineage = lineage
        self._stops = stops
        self._silence = silence
        self._every = every
        self._stop = StopOfLineage()
        self._call: Background[RunSeen | None] = Background("look")
        self._next = 0.0
        self._last: bool | None = None
        self._away = False

    @property
    def is_over(self) -> bool:
        """Whether the last question of all was asked and answered."""
        return self._lineage is None or (self._last is True and not self._call.busy)

    def tick(self, now: float, *, command_runs: bool = True) -> None:
        match self._call.take():
            case Done(seen):
                self._see(seen, now, command_runs=command_runs)
            case Broken() as failed:
                self._say_once(failed.why)
            case None:
                pass
        if self._lineage is not None and not self._call.busy and self._is_due(now):
            self._next = now + self._every
            self._call.start(self._lineage.look)

    def finish(self) -> None:
        """Ask once more: a person's stop may be what has ended the command."""
        self._last = False

    def _is_due(self, now: float) -> bool:
        if self._last is None:
            return now >= self._next
        due, self._last = not self._last, True
        return due

    def _say_once(self, why: str) -> None:
        if not self._away:
            _log.warning("W&B does not say whether a person stopped the run: %s", why)
        self._away = True

    def _see(self, seen: RunSeen | None, now: float, *, command_runs: bool) -> None:
        self._away = False
        self._silence.look(now, None if seen is None else seen.rows)
        if self._stop.see(seen, command_runs=command_runs):
            self._stops.stop_by_user()
