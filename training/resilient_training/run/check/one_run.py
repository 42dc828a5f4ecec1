"""One run of the command, under the same parts as in a job, until enough was seen of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.run.beginning import Restoring
from resilient_training.run.check.folder import NotCheckedError
from resilient_training.run.child import CannotStartError, RunningChild
from resilient_training.run.command_environment import environment_for_command
from resilient_training.run.ends import End
from resilient_training.run.failure_file import Changed
from resilient_training.run.root_cause import cause_of
from resilient_training.run.saving import Saving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from resilient_training.run.check.heard import Heard
    from resilient_training.run.check.kept import FolderDelivery
    from resilient_training.run.options import Options
    from resilient_training.run.ports import Parts, Restored
    from resilient_training.run.stops import Stops
    from resilient_training.run.watch import Watch

TICK = 0.1
_UNKILLABLE_SECONDS = 20.0


@dataclass
class Progress:
    """What was seen of a run so far; `now` and `begun` are seconds of the monotonic clock."""

    begun: float
    heard: Heard
    delivery: FolderDelivery
    notes: Callable[[], list[str]]
    now: float = 0.0
    kept_at: float | None = None
    complete: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.now - self.begun

    def look(self, now: float, complete_before: int) -> None:
        self.now = now
        self.heard.listen()
        self.complete = self.delivery.complete[complete_before:]
        if self.kept_at is None and self.delivery.kept is not None:
            self.kept_at = now


@dataclass(frozen=True)
class Ran:
    """How a run ended.

    Attributes:
        progress: What was seen of it; None: it was never started.
        code: Of the command; None: it was killed here, as enough was seen. Where it was never
            started, the wrapper's own: 65 blames the checkpoint.
        why: What ended a command that was not killed here; empty: it ended well.
        silent: It was killed because nothing was heard for --stalled-after.
        restored: The checkpoint that was brought to its folder, and in how many seconds.
    """

    progress: Progress | None
    code: int | None
    why: str = ""
    silent: bool = False
    restored: Restored | None = None
    restore_seconds: float = 0.0
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class OneRun:
    """Everything that one run is made from; `environment` is the command's, before the wrapper."""

    options: Options
    environment: Mapping[str, str]
    parts: Parts
    watch: Watch
    delivery: FolderDelivery
    heard: Heard
    stops: Stops
    error_file: Path

    def until(self, enough: Callable[[Progress], bool]) -> Ran:
        """Restore what is to be resumed from, run, and kill with SIGKILL when it is enough.

        Raises:
            NotCheckedError: the command cannot be started, or somebody stopped the check.
        """
        begun = time.monotonic()
        restoring = Restoring(self.parts, self.stops, may_begin_anew=False, patience=0.0)
        beginning = restoring.run(time.monotonic, lambda: time.sleep(TICK))
        seconds = time.monotonic() - begun
        self._require_not_stopped()
        if isinstance(beginning, End):
            return Ran(None, beginning.code, beginning.failure or "it could not be restored")
        return self._run(enough, beginning.restored, seconds)

    def _run(
        self, enough: Callable[[Progress], bool], restored: Restored | None, seconds: float
    ) -> Ran:
        added = () if restored is None else tuple(self.parts.resume_arguments(restored.folder))
        child = self._started(added)
        progress = Progress(time.monotonic(), self.heard, self.delivery, self.watch.notes)
        before = len(self.delivery.complete)
        saving = Saving(self.parts.watch, self.parts.delivery, progress.begun)
        filed = Changed.since_now(self.error_file)
        try:
            killed, silent = self._tend(child, saving, progress, before, enough)
        finally:
            _kill(child)
            self.heard.close()
            # Also where an error ends the check: a look at the folder may be under way.
            _finish(saving)
        code = None if killed else child.code
        progress.look(time.monotonic(), before)
        failed = code is not None and code != 0
        why = cause_of(filed.read(), child.lines, code or 0).text if failed else ""
        return Ran(progress, code, why, silent, restored, seconds, added)

    def _started(self, added: tuple[str, ...]) -> RunningChild:
        environment = environment_for_command(self.environment, self.error_file)
        command = [*self.options.command, *added]
        try:
            return RunningChild(command, environment, targets=self.heard.targets)
        except CannotStartError as error:
            self.heard.close()
            raise NotCheckedError(str(error)) from error

    def _tend(
        self,
        child: RunningChild,
        saving: Saving,
        progress: Progress,
        before: int,
        enough: Callable[[Progress], bool],
    ) -> tuple[bool, bool]:
        """Give whether it was killed for enough, and whether for silence."""
        while child.code is None:
            now = time.monotonic()
            saving.tick(now)
            progress.look(now, before)
            self._require_not_stopped()
            if enough(progress):
                return True, False
            if self._is_silent(now, max(child.heard_at, saving.found_at or 0.0)):
                return True, True
            time.sleep(TICK)
        return False, False

    def _is_silent(self, now: float, heard_at: float) -> bool:
        minutes = self.options.stalled_after
        return minutes is not None and now - heard_at > minutes * 60

    def _require_not_stopped(self) -> None:
        if self.stops.asked_at is not None:
            raise NotCheckedError("somebody stopped the check")


def _kill(child: RunningChild) -> None:
    child.kill()
    deadline = time.monotonic() + _UNKILLABLE_SECONDS
    while child.code is None and time.monotonic() < deadline:
        time.sleep(TICK / 5)


def _finish(saving: Saving) -> None:
    """The command has ended: what it has left is complete now, or never."""
    saving.finish(time.monotonic())
    deadline = time.monotonic() + _UNKILLABLE_SECONDS
    while not saving.is_over and time.monotonic() < deadline:
        saving.tick(time.monotonic())
        time.sleep(TICK)
