"""Looking after a command from its start to the last commit."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.background import Background, Broken, Done

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_training.run.child import Child
    from resilient_training.run.limits import Limits
    from resilient_training.run.lineage_watch import LineageWatch
    from resilient_training.run.saving import Saving
    from resilient_training.run.silence import Silence
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)
_KILLED = -9


@dataclass(frozen=True)
class Marking:
    """Writes the job's completion mark beside the loop; what fails is a warning."""

    call: Background[None]

    def start(self, mark: Callable[[], None]) -> None:
        self.call.start(mark)

    def tick(self) -> None:
        self._hear(self.call.take())

    def finish(self, mark: Callable[[], None], seconds: float) -> None:
        """Write a last mark after the one that is under way; each gets that long."""
        self._hear(self.call.wait(seconds))
        if not self.call.busy:
            self.start(mark)
        self._hear(self.call.wait(seconds))
        if self.call.busy:
            _log.warning("the job is not marked within %g s", seconds)

    @staticmethod
    def _hear(result: Done[None] | Broken | None) -> None:
        if isinstance(result, Broken):
            _log.warning("the job cannot be marked: %s", result.why)


@dataclass(frozen=True)
class Beside:
    """What goes on beside the command, a little in each round of the loop."""

    saving: Saving
    lineage: LineageWatch
    marking: Marking

    def tick(self, now: float) -> None:
        self.saving.tick(now)
        self.lineage.tick(now)
        self.marking.tick()


@dataclass
class Tending:
    """Waits for the end of one command, and ends it where a stop or a silence says so.

    `stalled_minutes` is for how long nothing was heard of a command that was killed for it.
    """

    child: Child
    beside: Beside
    stops: Stops
    silence: Silence
    limits: Limits
    stalled_minutes: float | None = None
    _killed_at: float | None = None
    _said: bool = False

    def run(self) -> int:
        """Give the command's code; -9 where it cannot be killed, and is left behind."""
        while (code := self.child.code) is None:
            now = time.monotonic()
            self.beside.tick(now)
            self._hear(now)
            if self._killed_at is None and (self._is_late(now) or self._is_stalled(now)):
                self._killed_at = now
                self.child.kill()
            if self._killed_at is not None and now - self._killed_at >= self.limits.unkillable:
                _log.error("the command cannot be killed, and is left behind")
                return _KILLED
            time.sleep(self.limits.tick)
        return code

    def _hear(self, now: float) -> None:
        self.silence.hear(max(self.child.heard_at, self.beside.saving.found_at or 0.0))
        minutes = self.silence.hint_due(now)
        if minutes is not None:
            _log.warning(
                "nothing was heard for %.0f min: no output, no new checkpoint, no row in W&B;"
                " --stalled-after MINUTES ends such a command",
                minutes,
            )

    def _is_late(self, now: float) -> bool:
        asked_at = self.stops.asked_at
        limit = self.limits.leader
        if asked_at is not None and not self._said:
            self._said = True
            _log.info("%s: the command has got SIGTERM, and %g s", self.stops.name, limit)
        late = asked_at is not None and now - asked_at >= limit
        if late:
            _log.warning("the command has not ended %g s after SIGTERM: killed", limit)
        return late

    def _is_stalled(self, now: float) -> bool:
        if self.stops.asked_at is not None or not self.silence.is_over_limit(now):
            return False
        self.stalled_minutes = (now - self.silence.heard_at) / 60
        return True


@dataclass(frozen=True)
class LastCommit:
    """Brings home what the command has left, within the time that there is.

    `lost_host`: another host died or went silent, and may have taken its part with it.
    """

    beside: Beside
    stops: Stops
    limits: Limits
    lost_host: bool = False

    def run(self) -> None:
        ended_at = now = time.monotonic()
        self.beside.saving.finish(now)
        self.beside.lineage.finish()
        while not self._is_over(now, ended_at):
            self.beside.tick(now)
            time.sleep(self.limits.tick)
            now = time.monotonic()

    def _is_over(self, now: float, ended_at: float) -> bool:
        saving = self.beside.saving
        if saving.is_over:
            looked = self.beside.lineage.is_over or self.stops.asked_at is not None
            return looked or now - ended_at >= self.limits.last_look
        if self.stops.terminated_at is not None:
            late = now - self.stops.terminated_at >= self.limits.sigterm
        else:
            limit = self.limits.still_lost if self.lost_host else self.limits.still
            late = saving.still_for(now) >= limit
        if late:
            _log.warning("the last checkpoint is NOT in W&B: there is no more time for it")
        return late
