"""Checkpoints that survive: whole on disk, then committed to W&B beside the training."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from resilient_training.files import free_path, sha256_of, write_atomically
from resilient_training.history import OneHistory, Row
from resilient_training.metadata import Metric, SavedCheckpoint
from resilient_training.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning.pytorch import LightningModule, Trainer

_log = logging.getLogger(__name__)

# SageMaker kills 120 s after its SIGTERM, and the W&B run has to be finished as well.
_TERMINATION_BUDGET = 60.0


class CheckpointNotCommittedError(Exception):
    """The training has ended, but its last checkpoint is not in W&B."""


class CheckpointStore(Protocol):
    """Where checkpoints are committed."""

    @property
    def stored(self) -> bool:
        """Whether anything is kept at all."""

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Return once the checkpoint can be resumed from; False when it cannot."""


@dataclass(frozen=True)
class SavePlan:
    """When to save, where to, and which checkpoint is the best.

    Attributes:
        directory: Local checkpoints; the same for all attempts of a lineage.
        attempt: Goes into the file. W&B answers a file that it has with the version that it has,
            and a replayed checkpoint may not become a rejected version again.
        every_n_steps: 0: not by steps. An epoch's end always saves.
        every_minutes: 0: not by time.
        keep: How many local checkpoints stay, at least 1, besides the best and those not uploaded.
        monitor: A logged metric; the checkpoint with the best one so far gets the alias `best`.
    """

    directory: Path
    attempt: int = 1
    every_n_steps: int = 0
    every_minutes: float = 0
    keep: int = 2
    monitor: str = "val_loss"
    maximize: bool = False

    def due(self, step: int, seconds_since_last: float) -> bool:
        by_step = self.every_n_steps > 0 and step % self.every_n_steps == 0
        return by_step or 0 < self.every_minutes * 60 <= seconds_since_last

    def better(self, value: float, best: float | None) -> bool:
        return best is None or (value > best if self.maximize else value < best)


class CheckpointArtifacts(Checkpoint):
    """Saves as planned, at each epoch's end and on SIGTERM; commits beside the training."""

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
        self.rows: list[Row] = []
        self.history: OneHistory | None = None
        self.uploads = Uploads(self._commit, precious=lambda saved: saved.best)
        self.newest: deque[SavedCheckpoint] = deque(maxlen=plan.keep)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        logger = trainer.logger
        self.history = logger if isinstance(logger, OneHistory) else None
        if not self.store.stored:
            _log.warning(
                "W&B is offline or disabled: nothing can be resumed from artifacts, checkpoints "
                "stay in %s",
                self.plan.directory,
            )

    @override
    def state_dict(self) -> dict[str, Any]:
        rows = self.history.newest_rows() if self.history else []
        return {"attempt": self.plan.attempt, "best": self.best, "rows": rows}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.rows = state_dict["rows"]

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.saved_step = trainer.global_step
        self.saved_at = self.clock()
        if self.history and self.rows:
            self.history.log_again(self.rows)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The last batch is left to the epoch's end, whose checkpoint has the validation behind it.
        if (
            self._due(trainer.global_step)
            and _between_steps(trainer)
            and not _at_epoch_end(trainer)
        ):
            self.save(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save(trainer)

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save where SIGTERM stopped the training; others leave a state in the middle of a step."""
        if isinstance(exception, SIGTERMException):
            _log.info("SIGTERM at step %d", trainer.global_step)
            if _between_steps(trainer):
                self.save(trainer)
            self.uploads.drain(_TERMINATION_BUDGET)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until the last checkpoint is committed; a second try may outlast a short outage.

        Raises:
            CheckpointNotCommittedError: W&B has not taken it.
        """
        if not (self.uploads.drain() or self._commit(self.newest[-1])):
            raise CheckpointNotCommittedError(f"step {self.saved_step} is not in W&B")

    def save(self, trainer: Trainer) -> None:
        if trainer.global_step == self.saved_step:
            return
        metric = self._metric(trainer)
        path = free_path(self.plan.directory, self._paths_in_use())
        best = metric is not None and self.plan.better(metric.value, self.best)
        if best and metric is not None:
            self.best, self.best_path = metric.value, path
        write_atomically(path, trainer.save_checkpoint)
        self.saved_step, self.saved_at = trainer.global_step, self.clock()
        digest = sha256_of(path)
        saved = SavedCheckpoint(path, self.saved_step, trainer.current_epoch, digest, metric, best)
        self._queue(saved)

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

    def _due(self, step: int) -> bool:
        return self.plan.due(step, self.clock() - self.saved_at)

    def _metric(self, trainer: Trainer) -> Metric | None:
        """The monitored metric, where the checkpoint is of the state that it was measured on."""
        value = trainer.callback_metrics.get(self.plan.monitor)
        if value is None or not _at_epoch_end(trainer):
            return None
        return Metric(self.plan.monitor, float(value))


def _between_steps(trainer: Trainer) -> bool:
    """Gradients that are still being accumulated are in no checkpoint."""
    done: int = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return done % trainer.accumulate_grad_batches == 0


def _at_epoch_end(trainer: Trainer) -> bool:
    return bool(trainer.fit_loop.epoch_loop.batch_progress.is_last_batch)
