"""The order of things on one host: restore, start, watch, upload, end.

    parts.tidy, parts.restore   -> what lies in the folder is what the command may resume from
    the command starts          -> with the resume arguments only where something was restored
    loop                        -> look for checkpoints, commit the newest, ask W&B, hear silence
    the command ends            -> all that it started is killed, last look, last commit
    the end                     -> completion mark, failure file, exit code

Nothing is restarted here. Nothing that blocks runs in the loop, so SIGTERM and the limits are
obeyed however slow W&B, the store or the disk is. Several hosts run the same loop: the parts of the
others have no commit of their own, and only the first host marks the completion.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.run.background import Background, Done
from resilient_training.run.beginning import Restoring
from resilient_training.run.child import CannotStartError, RunningChild
from resilient_training.run.ends import End, Resumed, Seen, broken, end_of
from resilient_training.run.failure_file import Changed, write_failure
from resilient_training.run.limits import Limits
from resilient_training.run.lineage_watch import LineageWatch
from resilient_training.run.load_evidence import blames
from resilient_training.run.root_cause import cause_of
from resilient_training.run.saving import Saving
from resilient_training.run.silence import Silence
from resilient_training.run.tending import Beside, LastCommit, Marking, Tending

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from resilient_training.run.child import Child
    from resilient_training.run.hosts import Hosts
    from resilient_training.run.ports import Parts, Restored
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is run, and where. `stalled_after` is in seconds, None: no limit.

    `may_begin_anew`: with W&B away the command begins at the beginning. Not where a version is
    pinned, and not on several hosts, of which another may have found a checkpoint.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    hosts: Hosts
    may_begin_anew: bool
    failure_file: Path
    error_file: Path
    stalled_after: float | None = None
    limits: Limits = field(default_factory=Limits)


class Wrapper:
    """Runs one command to its end, on one host."""

    def __init__(self, plan: Plan, parts: Parts, stops: Stops) -> None:
        now = time.monotonic()
        self._plan = plan
        self._parts = parts
        self._stops = stops
        self._limits = plan.limits
        self._silence = Silence(
            plan.stalled_after,
            now,
            needs_look=parts.lineage is not None,
            needs_rhythm=plan.hosts.count > 1,
        )
        self._beside = Beside(
            Saving(parts.watch, parts.delivery, now),
            LineageWatch(parts.lineage, stops, self._silence, plan.limits.look),
            Marking(Background("mark")),
        )
        self._failure_file = Changed.since_now(plan.failure_file)
        self._error_file = Changed.since_now(plan.error_file)

    def run(self) -> End:
        """Run the command; gives the end, after its text is written and the job is marked."""
        anew = self._plan.may_begin_anew
        patience = self._limits.away if anew else self._limits.away_needed
        restoring = Restoring(self._parts, self._stops, may_begin_anew=anew, patience=patience)
        beginning = restoring.run(time.monotonic, self._pause)
        end = beginning if isinstance(beginning, End) else self._train(beginning.restored)
        if end.completed:
            self._beside.marking.finish(self._parts.marks.completed, self._limits.close)
        if end.failure is not None:
            _log.error("%s", end.failure)
            write_failure(self._plan.failure_file, end.failure)
        return end

    def close(self) -> None:
        """Finish the run of W&B; one that does not come to an end is left behind."""
        closing: Background[None] = Background("close")
        closing.start(self._parts.delivery.close)
        late = self._stops.terminated_at is not None
        result = closing.wait(self._limits.close_late if late else self._limits.close)
        if not isinstance(result, Done):
            why = "it takes too long" if result is None else result.why
            _log.warning("the W&B run of the checkpoints could not be finished: %s", why)

    def _pause(self) -> None:
        self._beside.lineage.tick(time.monotonic(), command_runs=False)
        time.sleep(self._limits.tick)

    def _train(self, restored: Restored | None) -> End:
        try:
            child = RunningChild(self._command(restored), self._plan.environment)
        except CannotStartError as error:
            return broken(str(error))
        self._silence.begin(time.monotonic())
        self._stops.watch_over(child)
        if self._plan.hosts.is_first:
            self._beside.marking.start(self._parts.marks.begun)
        tending = Tending(child, self._beside, self._stops, self._silence, self._limits)
        code = tending.run()
        _log.info("the command has ended with code %d", code)
        ended_at = time.monotonic()
        lost = self._end(child, code, restored, tending).lost_peer
        silent = tending.stalled_minutes is not None and self._plan.hosts.count > 1
        LastCommit(self._beside, self._stops, self._limits, lost_host=lost or silent).run()
        if self._end(child, code, restored, tending).lost_peer:
            while time.monotonic() - ended_at < self._limits.peer:
                time.sleep(self._limits.tick)
        return self._end(child, code, restored, tending)

    def _command(self, restored: Restored | None) -> Sequence[str]:
        if restored is None:
            return self._plan.command
        _log.info("resuming from %s in %s", restored.version, restored.folder)
        return [*self._plan.command, *self._parts.resume_arguments(restored.folder)]

    def _end(self, child: Child, code: int, restored: Restored | None, tending: Tending) -> End:
        cause = None if code == 0 else cause_of(self._error_file.read(), child.lines, code)
        resumed = None
        if restored is not None:
            own = "" if cause is None or cause.of_peer else cause.text
            early = self._beside.saving.found == 0
            resumed = Resumed(restored.version, early and blames(own, restored.folder))
        seen = Seen(
            code,
            cause,
            terminated=self._stops.terminated_at is not None,
            stopped_by_user=self._stops.by_user_at is not None,
            stalled_minutes=tending.stalled_minutes,
            resumed=resumed,
            own_failure=self._failure_file.read(),
        )
        return end_of(seen, self._plan.hosts)
