"""Checkpoints that survive: whole on disk, then committed to W&B beside the training."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from resilient_training.files import checkpoint_path, keep_newest, sha256_of, write_atomically
from resilient_training.history import OneHistory
from resilient_training.metadata import Metric, SavedCheckpoint
from resilient_training.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning.pytorch import LightningModule, Trainer

_log = logging.getLogger(__name__)

# SageMaker kills 120 s after its SIGTERM.
_TERMINATION_BUDGET = 110.0


class CheckpointNotCommittedError(Exception):
    """The training has ended, but its last checkpoint is not in W&B."""


class CheckpointStore(Protocol):
    """Where checkpoints are committed."""

    @property
    def stored(self) -> bool:
        """Whether anything is kept at all."""

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Return once the checkpoint can be resumed from; False when it cannot."""


class CheckpointArtifacts(Checkpoint):
    """Saves every `every_n_steps` steps, every `every_minutes`, at each epoch's end and on SIGTERM.

    Args:
        directory: Local checkpoints; the same for all attempts of a lineage.
        attempt: Goes into the file. W&B answers a file that it has with the version that it has,
            and a replayed checkpoint may not become a rejected version again.
        keep: How many local checkpoints stay, besides the best and those not uploaded yet.
        monitor: A logged metric; the checkpoint with the best one so far gets the alias `best`.
    """

    def __init__(
        self,
        directory: Path,
        store: CheckpointStore,
        *,
        attempt: int = 1,
        every_n_steps: int = 0,
        every_minutes: float = 0,
        keep: int = 2,
        monitor: str | None = "val_loss",
        maximize: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self.store = store
        self.attempt = attempt
        self.every_n_steps = every_n_steps
        self.every_seconds = every_minutes * 60
        self.keep = keep
        self.monitor = monitor
        self.sign = -1.0 if maximize else 1.0
        self.clock = clock
        self.saved_step = -1
        self.saved_at = clock()
        self.best = math.inf
        self.best_path: Path | None = None
        self.rows: list[Any] = []
        self.history: OneHistory | None = None
        self.uploads: Uploads[SavedCheckpoint] = Uploads(self._commit)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        logger = trainer.logger
        self.history = logger if isinstance(logger, OneHistory) else None
        if not self.store.stored:
            _log.warning("W&B is offline or disabled: checkpoints stay in %s only", self.directory)

    @override
    def state_dict(self) -> dict[str, Any]:
        rows = self.history.newest_rows() if self.history else []
        return {"attempt": self.attempt, "best": self.best, "rows": rows}

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
        if self._due(trainer.global_step) and _between_steps(trainer) and not _at_epoch_end(trainer):
            self.save(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save(trainer)

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save where SIGTERM stopped the training; any other exception leaves an uncertain state."""
        if isinstance(exception, SIGTERMException):
            _log.info("SIGTERM at step %d", trainer.global_step)
            if _between_steps(trainer):
                self.save(trainer)
            self.uploads.drain(_TERMINATION_BUDGET)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until the last checkpoint is committed.

        Raises:
            CheckpointNotCommittedError: W&B has not taken it.
        """
        if not self.uploads.drain():
            raise CheckpointNotCommittedError(f"step {self.saved_step} is not in W&B")

    def save(self, trainer: Trainer) -> None:
        if trainer.global_step == self.saved_step:
            return
        metric = self._metric(trainer)
        best = metric is not None and self.sign * metric.value < self.best
        if best and metric is not None:
            self.best = self.sign * metric.value
        path = checkpoint_path(self.directory, trainer.global_step)
        write_atomically(path, lambda partial: trainer.save_checkpoint(partial))
        self.saved_step = trainer.global_step
        self.saved_at = self.clock()
        self.best_path = path if best else self.best_path
        saved = SavedCheckpoint(
            path, self.saved_step, trainer.current_epoch, sha256_of(path), metric, best
        )
        self._queue(saved)

    def _queue(self, saved: SavedCheckpoint) -> None:
        _log.info("checkpoint of step %d saved: %s", saved.step, saved.path)
        for overtaken in self.uploads.put(saved):
            _log.warning("checkpoint of step %d not uploaded: a newer one is here", overtaken.step)

    def _commit(self, saved: SavedCheckpoint) -> bool:
        committed = self.store.commit(saved) if self.store.stored else True
        waiting = {item.path for item in self.uploads.pending()} - {saved.path}
        best = {self.best_path} if self.best_path else set()
        keep_newest(self.directory, self.keep, frozenset(waiting | best))
        return committed

    def _due(self, step: int) -> bool:
        by_step = self.every_n_steps > 0 and step % self.every_n_steps == 0
        by_time = self.every_seconds > 0 and self.clock() - self.saved_at >= self.every_seconds
        return by_step or by_time

    def _metric(self, trainer: Trainer) -> Metric | None:
        """The monitored metric, where the checkpoint is of the state that it was measured on."""
        value = trainer.callback_metrics.get(self.monitor) if self.monitor else None
        if value is None or not _at_epoch_end(trainer):
            return None
        return Metric(str(self.monitor), float(value))


def _between_steps(trainer: Trainer) -> bool:
    """Gradients that are still being accumulated are in no checkpoint."""
    done: int = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return done % trainer.accumulate_grad_batches == 0


def _at_epoch_end(trainer: Trainer) -> bool:
    return bool(trainer.fit_loop.epoch_loop.batch_progress.is_last_batch)
