"""Checkpoints of a Lightning training, made by the `Checkpointer`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Self

from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from resilient_training.checkpoints.checkpointer import Checkpointer, CheckpointStore, SavePlan
from resilient_training.checkpoints.metadata import Metric
from resilient_training.ending import StoppedByUser
from resilient_training.lightning.logger import OneHistory, Row, row_to_come

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.attempt import Attempt
    from resilient_training.checkpoints.metadata import SavedCheckpoint
    from resilient_training.checkpoints.uploads import Uploads
    from resilient_training.stop_request import StopRequest

_log = logging.getLogger(__name__)

# SageMaker kills 120 s after its SIGTERM, and the W&B run has to be finished as well.
TERMINATION_BUDGET = 60.0


class CheckpointArtifacts(Checkpoint):
    """Saves as planned, at each epoch's end and on a stop; commits beside the training.

    With several processes all take part in each save, as Lightning wants it, and only rank 0
    writes and commits. A person's stop in W&B, which reaches rank 0, ends all of them between two
    steps; one that comes during an epoch's last step does so behind that epoch's validation.
    """

    def __init__(
        self,
        plan: SavePlan,
        store: CheckpointStore,
        *,
        stop: StopRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.checkpointer = Checkpointer(plan, store, clock=clock)
        self.plan = plan
        self.stop = stop
        self.leaving = False
        self.rows: list[Row] = []
        self.row_to_come: Row | None = None
        self.history: OneHistory | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Save as the attempt plans it."""
        made = cls(attempt.checkpoints.plan, attempt.checkpoints.store, stop=attempt.stop)
        made.checkpointer = attempt.checkpoints
        return made

    @property
    def uploads(self) -> Uploads[SavedCheckpoint]:
        return self.checkpointer.uploads

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        logger = trainer.logger
        self.history = logger if isinstance(logger, OneHistory) else None
        if trainer.is_global_zero:
            self.checkpointer.warn_if_nothing_is_stored()

    @override
    def state_dict(self) -> dict[str, Any]:
        rows = self.history.newest_rows(self.row_to_come) if self.history else []
        return {**self.checkpointer.memory(), "rows": rows}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.checkpointer.recall(state_dict)
        self.rows = state_dict["rows"]

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.checkpointer.begin(trainer.global_step)
        if self.stop and trainer.world_size > 1:
            # Lightning's handler talks to the other processes wherever the signal finds them,
            # which now and then is in the middle of another exchange, and all wait for ever.
            self.stop.listen()
        if self.history and self.rows:
            self.history.log_again(self.rows)

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """End here, where the state is saved and the training would go on.

        Raises:
            StoppedByUser: a person stopped the run in W&B.
        """
        if self.stop and self.leaving:
            self.stop.heed()
            raise StoppedByUser(f"in W&B, at step {trainer.global_step}")

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        due = self._due(trainer)
        terminated, stopped = self._asked(trainer)
        between = _between_steps(trainer)
        # The last batch is left to the epoch's end, whose checkpoint has the validation behind it.
        if (due or terminated or stopped) and between and not _at_epoch_end(trainer):
            self.row_to_come = row_to_come(trainer) if self.history else None
            self.save(trainer)
            self.row_to_come = None
        if terminated:
            raise SIGTERMException
        self.leaving = stopped and between

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
            self.checkpointer.drain(TERMINATION_BUDGET)
        elif isinstance(exception, StoppedByUser) and self.stop:
            _log.info("%s at step %d", self.stop.name, trainer.global_step)
            self.checkpointer.drain(self.stop.budget)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until the last checkpoint is committed.

        Raises:
            CheckpointNotCommittedError: W&B has not taken it.
        """
        if self.stop:
            self.stop.training_is_over()
        if trainer.is_global_zero:
            self.checkpointer.finish()

    def bar_after(self, step: int) -> list[str]:
        """Bar this attempt's versions of a step above `step`; gives their names (`v3`, …)."""
        return self.checkpointer.bar_after(step)

    def save(self, trainer: Trainer) -> None:
        step = trainer.global_step
        if trainer.is_global_zero:
            metric = self._metric(trainer)
            self.checkpointer.save(
                step,
                trainer.current_epoch,
                lambda: self.checkpointer.stage(_state(trainer)),
                metric,
            )
        elif step != self.checkpointer.saved_step:
            _state(trainer)
            self.checkpointer.begin(step)

    def _asked(self, trainer: Trainer) -> tuple[bool, bool]:
        """Whether SIGTERM, or else a person's stop, has come to any of the processes.

        In one process Lightning itself raises on SIGTERM.
        """
        if self.stop is None or trainer.world_size == 1:
            return False, self.stop is not None and self.stop.by_user
        if not _any(trainer, here=self.stop.came):
            return False, False
        terminated = _any(trainer, here=self.stop.terminated)
        return terminated, not terminated

    def _due(self, trainer: Trainer) -> bool:
        due = self.checkpointer.due(trainer.global_step)
        if trainer.world_size == 1:
            return due
        # Clocks differ, rank 0 alone writes and may be at it still, and one process alone would
        # wait for the others in its save for ever.
        return _any(trainer, here=due)

    def _metric(self, trainer: Trainer) -> Metric | None:
        """The monitored metric, where the checkpoint is of the state that it was measured on."""
        name = self.plan.monitor or "val_loss"
        value = trainer.callback_metrics.get(name)
        if value is None or not _at_epoch_end(trainer):
            return None
        return Metric(name, float(value))


def _state(trainer: Trainer) -> dict[str, Any]:
    """The whole state, which all processes take part in putting together."""
    connector = trainer._checkpoint_connector  # noqa: SLF001 - save_checkpoint writes it at once
    state: dict[str, Any] = connector.dump_checkpoint(weights_only=False)
    return state


def _any(trainer: Trainer, *, here: bool) -> bool:
    """Whether it is so in any of the processes."""
    return bool(trainer.strategy.reduce_boolean_decision(here, all=False))


def _between_steps(trainer: Trainer) -> bool:
    """Gradients that are still being accumulated are in no checkpoint."""
    done: int = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return done % trainer.accumulate_grad_batches == 0


def _at_epoch_end(trainer: Trainer) -> bool:
    return bool(trainer.fit_loop.epoch_loop.batch_progress.is_last_batch)
