"""Where the command begins: at a checkpoint that was brought to its folder, or at the beginning."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.job import CheckpointLoadError
from resilient_training.run.background import Background, Broken, Done
from resilient_training.run.ends import STOPPED_BY_USER, TERMINATED, End, broken, unusable
from resilient_training.run.ports import AwayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_training.job import Job
    from resilient_training.run.ports import Parts, Restored
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class Beginning:
    """`restored` None: at the beginning."""

    restored: Restored | None


def newest_allowed(job: Job) -> int | None:
    """The highest step that the command may find in its folder; None: any.

    A first attempt without a pin goes on from what lies there. Otherwise somebody decided where to
    begin, and what goes beyond it must not be resumed from; -1: nothing may.
    """
    if job.pin is not None:
        return -1 if job.pin.step is None else job.pin.step
    return None if job.attempt == 1 else -1


class Restoring:
    """Moves aside what must not be resumed from, and restores; ends early where a stop comes.

    Args:
        may_begin_anew: Where W&B and the store stay away, the command begins at the beginning, with
            a warning. Else the host ends: nobody chose the beginning.
        patience: Seconds in which they may be away.
    """

    def __init__(
        self, parts: Parts, stops: Stops, *, may_begin_anew: bool, patience: float
    ) -> None:
        self._parts = parts
        self._stops = stops
        self._may_begin_anew = may_begin_anew
        self._patience = patience
        self._call: Background[Restored | None] = Background("restore")

    def run(self, now: Callable[[], float], pause: Callable[[], None]) -> Beginning | End:
        deadline, next_try = now() + self._patience, now()
        while (stopped := self._stopped()) is None:
            if not self._call.busy and now() >= next_try:
                self._call.start(self._prepare)
            match self._call.take():
                case None:
                    pause()
                case Done(restored):
                    return Beginning(restored)
                case Broken(AwayError() as error) if now() < deadline:
                    _log.warning("W&B or the store is away, it is asked again: %s", error)
                    next_try = now() + _RETRY_SECONDS
                case Broken() as failed:
                    return self._without(failed)
        return stopped

    def _prepare(self) -> Restored | None:
        for name in self._parts.tidy():
            _log.info("%s is moved aside: it must not be resumed from", name)
        return self._parts.restore()

    def _without(self, failed: Broken) -> Beginning | End:
        match failed.error:
            case CheckpointLoadError() as error:
                return unusable(str(error))
            case AwayError() if self._may_begin_anew:
                _log.warning("%s: the command begins at the beginning", failed.why)
                return Beginning(None)
            case error:
                _log.error("the command is not started", exc_info=error)
                return broken(failed.why)

    def _stopped(self) -> End | None:
        if self._stops.by_user_at is not None:
            return End(STOPPED_BY_USER, failure="StoppedByUser: in W&B, before the command began")
        return None if self._stops.terminated_at is None else End(TERMINATED)
