"""Checkpoints that survive, whatever makes them: whole on disk, then committed beside the training.

No training framework is needed here; `CheckpointArtifacts` (Lightning), `Attempt` (a plain loop)
and `HuggingFaceCheckpoints` save by it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from resilient_training.checkpoints.files import free_path, sha256_of, write_atomically
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint
from resilient_training.checkpoints.snapshot import Snapshot, StateSnapshot
from resilient_training.checkpoints.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)


class CheckpointStore(Protocol):
    """Where checkpoints are committed."""

    @property
    def stored(self) -> bool:
        """Whether anything is kept at all."""

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Return once the checkpoint can be resumed from, however long it takes; False: never."""

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload moves; None: nobody can see it."""

    def by_hand(self, saved: SavedCheckpoint) -> str:
        """How a person can commit a checkpoint later."""

    def bar_after(self, step: int) -> list[str]:
        """Bar this attempt's versions of a step above `step`; gives their names (`v3`, …)."""


@dataclass(frozen=True)
class SavePlan:
    """When to save, where to, and which checkpoint is the best.

    Attributes:
        directory: Local checkpoints; the same for all attempts of a lineage.
        attempt: Goes into the file. W&B answers a file that it has with the version that it has,
            and a replayed checkpoint may not become a rejected version again.
        every_n_steps: In optimizer steps. 0: not by steps. An epoch's end always saves.
        every_minutes: Since the last save. 0: not by time.
        keep: How many local checkpoints stay, at least 1, besides the best and those not uploaded.
        monitor: A logged metric; the checkpoint with the best one so far gets the alias `best`.
            None: the framework's own choice, `val_loss` where it has none.
        mode: Whether less of that metric is better (`min`), or more (`max`).
    """

    directory: Path
    attempt: int = 1
    every_n_steps: int = 0
    every_minutes: float = 0
    keep: int = 2
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"

    def due(self, step: int, seconds_since_last: float) -> bool:
        by_step = self.every_n_steps > 0 and step % self.every_n_steps == 0
        return by_step or 0 < self.every_minutes * 60 <= seconds_since_last

    def better(self, value: float, best: float | None) -> bool:
        return best is None or (value > best if self.mode == "max" else value < best)


class Checkpointer:
    """Saves one file per checkpoint and has it committed in the background.

    `save` stalls the training for as long as it takes to write and to read the file once, and never
    for the network.
    """

    def __init__(
        self, plan: SavePlan, store: CheckpointStore, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan = plan
        self.store = store
        self.clock = clock
        self.saved_step = -1
        self.saved_at = clock()
        self.best: float | None = None
        self.best_path: Path | None = None
        self.uploads = Uploads(
            self._commit, precious=lambda saved: saved.best, progress=store.uploaded_bytes
        )
        self.newest: deque[SavedCheckpoint] = deque(maxlen=plan.keep)

    @property
    def partial(self) -> Path:
        """Where `write` is told to write to."""
        return self.plan.directory / "unfinished.partial"

    def warn_if_nothing_is_stored(self) -> None:
        if not self.store.stored:
            _log.warning(
                "W&B is offline or disabled: nothing can be resumed from artifacts, checkpoints "
                "stay in %s",
                self.plan.directory,
            )

    def begin(self, step: int) -> None:
        """Count from here: the state of this step is in a checkpoint, or is the very beginning."""
        self.saved_step, self.saved_at = step, self.clock()

    def due(self, step: int) -> bool:
        return self.plan.due(step, self.clock() - self.saved_at)

    def stage(self, state: dict[str, Any]) -> Snapshot:
        """Take a snapshot of tensors and plain values; for `save`, which calls its `take`."""
        return StateSnapshot(state)

    def memory(self) -> dict[str, Any]:
        """What the next attempt has to know, as plain values; each checkpoint holds it."""
        return {"attempt": self.plan.attempt, "best": self.best}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from the memory of the checkpoint that the training resumes from."""
        self.best = memory["best"]

    def save(
        self, step: int, epoch: int, take: Callable[[], Snapshot], metric: Metric | None = None
    ) -> None:
        """Save the state of global step `step`, unless it is saved already.

        Args:
            step: Optimizer steps made so far, over all attempts.
            epoch: Epochs begun so far, from 0.
            take: Takes a snapshot of the whole state.
            metric: Measured on exactly this state; decides on the alias `best`.

        Raises:
            OSError: the disk does not take it.
        """
        if step == self.saved_step:
            return
        path = free_path(self.plan.directory, self._paths_in_use())
        best = metric is not None and self.plan.better(metric.value, self.best)
        if best and metric is not None:
            self.best, self.best_path = metric.value, path
        write_atomically(path, take().write)
        self.begin(step)
        self._queue(SavedCheckpoint(path, step, epoch, sha256_of(path), metric, best))

    def drain(self, seconds: float | None = None) -> bool:
        """Wait for the uploads; True when the last of them succeeded in time."""
        return self.uploads.drain(seconds)

    def finish(self, wait: float | None = None) -> bool:
        """Wait for the last checkpoint, once the training is done; whether it is committed.

        One that W&B refused gets a second try, which may outlast a short outage. What is not
        committed then is said in a line: the training has succeeded all the same.

        Args:
            wait: In seconds. None: for as long as the upload moves.
        """
        deadline = None if wait is None else self.clock() + wait
        done = self.drain(wait)
        if not done and not self.uploads.pending():
            self.uploads.put(self.newest[-1])
            done = self.drain(None if deadline is None else max(0.0, deadline - self.clock()))
        if not done:
            self._say_what_is_missing(self.newest[-1])
        return done

    def _say_what_is_missing(self, saved: SavedCheckpoint) -> None:
        _log.error(
            "NOT in W&B: the last checkpoint, of step %d. It lies in %s. To upload it: %s",
            saved.step,
            saved.path,
            self.store.by_hand(saved),
        )

    def bar_after(self, step: int) -> list[str]:
        """Bar what was committed beyond `step`, and what is still on its way there."""
        self.drain()
        return self.store.bar_after(step) if self.store.stored else []

    def _queue(self, saved: SavedCheckpoint) -> None:
        self.newest.append(saved)
        _log.info("checkpoint of step %d saved: %s", saved.step, saved.path)
        for overtaken in self.uploads.put(saved):
            _log.warning("checkpoint of step %d not uploaded: a newer one is here", overtaken.step)

    def _commit(self, saved: SavedCheckpoint) -> bool:
        return self.store.commit(saved) if self.store.stored else True

    def _paths_in_use(self) -> set[Path | None]:
        wanted = [*self.newest, *self.uploads.pending()]
        return {self.best_path, *(saved.path for saved in wanted)}
