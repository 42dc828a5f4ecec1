"""The side of the check that lives in the training: it counts steps, and breaks where it is told.

`resilient` asks `watch_in` once, and takes the run, the store and the checkpointer from it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from resilient_training.check.batches import Batches
from resilient_training.check.plan import Plan, plan_in
from resilient_training.check.rows import ArrivedRows, begin_recorded_run
from resilient_training.check.store import FolderStore
from resilient_training.checkpoints.checkpointer import Checkpointer
from resilient_training.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import wandb

    from resilient_training.checkpoints.checkpointer import CheckpointStore, SavePlan
    from resilient_training.checkpoints.metadata import Metric
    from resilient_training.checkpoints.snapshot import Snapshot
    from resilient_training.checkpoints.trial import Trial

_COMMIT_SECONDS = 60.0


class Watch:
    """Follows one process of a check."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.checkpointer: Checkpointer | None = None
        self.batches = Batches(plan.folder / "batches.jsonl")
        self._counts: dict[str, int] = {}
        self._sent: set[str] = set()

    @property
    def stores(self) -> bool:
        """Whether run and store are the check's; else they are W&B's."""
        return self.plan.stored

    def run(self) -> wandb.Run:
        """A run without W&B, whose history is recorded."""
        rows = self.plan.folder / "rows.jsonl"
        return cast("wandb.Run", begin_recorded_run(rows, buffered=self.plan.lost_rows))

    def history(self, run: wandb.Run, differs: Callable[[str], None]) -> History:
        """The history of the recorded run, which nobody else knows."""
        return History(run, ArrivedRows(self.plan.folder / "rows.jsonl"), differs=differs)

    def store(self) -> FolderStore:
        store = self.plan.folder / "store"
        return FolderStore(store, self._reached_while_storing, self.plan.away_from)

    def checkpointer_for(
        self, plan: SavePlan, store: CheckpointStore, trial: Trial
    ) -> Checkpointer:
        self.checkpointer = WatchedCheckpointer(plan, store, trial, self)
        return self.checkpointer

    def listen(self) -> None:
        """Record what is given to the model, and the lines that say what will differ."""
        self.batches.listen()
        notices = logging.getLogger("resilient_training.notices")
        notices.addHandler(_Recorder(self.plan.folder / "notices.jsonl"))

    def made(self, step: int) -> None:
        """An optimizer step is made, and not yet saved."""
        self.batches.end_step(step)
        self.reached("step", step)
        if self.plan.end_at is not None and step >= self.plan.end_at:
            self._send(signal.SIGTERM, "end")

    def passed(self, place: str) -> None:
        """A place that has no number is passed once more."""
        self._counts[place] = self._counts.get(place, 0) + 1
        self.reached(place, self._counts[place])

    def reached(self, place: str, number: int) -> None:
        """Break here, if this is the place, once what was saved before is committed."""
        if self.plan.break_at is not None and self.plan.break_at.is_at(place, number):
            if self.checkpointer is not None:
                self.checkpointer.drain(_COMMIT_SECONDS)
            self._send(self.plan.break_at.signal, "break")

    def _reached_while_storing(self, place: str, number: int) -> None:
        """As `reached`, in the thread that commits, which cannot wait for itself."""
        if self.plan.break_at is not None and self.plan.break_at.is_at(place, number):
            self._send(self.plan.break_at.signal, "break")

    def _send(self, number: int, why: str) -> None:
        if why not in self._sent:
            self._sent.add(why)
            (self.plan.folder / f"{why}.sent").touch()
            os.kill(os.getpid(), number)


class WatchedCheckpointer(Checkpointer):
    """Tells the watch of each step that the training reports."""

    def __init__(self, plan: SavePlan, store: CheckpointStore, trial: Trial, watch: Watch) -> None:
        super().__init__(plan, store, trial)
        self._watch = watch
        self._asked = 0

    @override
    def begin(self, step: int) -> None:
        super().begin(step)
        self._asked = max(self._asked, step)
        self._watch.batches.begin(step)

    @override
    def due(self, step: int) -> bool:
        self._watch.made(step)
        wanted = self._watch.plan.save_at
        # The steps here take no time: each save would be put off for the one before.
        self.settle()
        if wanted is None:
            return super().due(step)
        due = any(self._asked < at <= step for at in wanted)
        self._asked = max(self._asked, step)
        return due

    @override
    def save(
        self, step: int, epoch: int, take: Callable[[], Snapshot], metric: Metric | None = None
    ) -> None:
        self._watch.made(step)
        super().save(step, epoch, take, metric)


class _Recorder(logging.Handler):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    @override
    def emit(self, record: logging.LogRecord) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(record.getMessage()) + "\n")


_watches: list[Watch] = []


def passed(place: str) -> None:
    """Report a place by its name, each time that it is passed; nothing outside a check."""
    for watch in _watches:
        watch.passed(place)


def watch_in(environment: Mapping[str, str], *, follower: bool) -> Watch | None:
    """The watch over this process; None outside a check."""
    plan = plan_in(environment)
    if plan is None:
        return None
    if follower:
        # It saves when rank 0 does, and what it records is nobody's.
        apart = plan.folder / "followers"
        apart.mkdir(exist_ok=True)
        return Watch(replace(plan, folder=apart, break_at=None, end_at=None))
    watch = Watch(plan)
    watch.listen()
    _watches.append(watch)
    return watch
