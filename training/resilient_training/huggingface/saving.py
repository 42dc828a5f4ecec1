"""Saves the state of a Trainer, as one checkpoint of the attempt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from resilient_training.huggingface.arguments import reason_for_folders
from resilient_training.huggingface.best import folder_of, metric_at
from resilient_training.huggingface.continuation import FILE
from resilient_training.huggingface.snapshot import (
    LOADER,
    FolderSnapshot,
    StagedSnapshot,
    descriptions,
    generators_and_schedule,
    saved,
    schedule_of,
    tensors_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import Trainer, TrainerState

    from resilient_training.attempt import Attempt
    from resilient_training.checkpoints.metadata import Metric
    from resilient_training.checkpoints.snapshot import Snapshot, StateSnapshot
    from resilient_training.huggingface.continuation import Continuation

_log = logging.getLogger(__name__)


@dataclass
class Saving:
    """What is saved of one Trainer, and how.

    Attributes:
        folders: Trainer writes a folder itself before each checkpoint.
        loader: Of the data, made exact; its order may depend on more than the seed.
    """

    trainer: Trainer
    attempt: Attempt
    folders: bool
    loader: Any = None
    described: dict[str, bytes] | None = None

    @classmethod
    def of(cls, trainer: Trainer, attempt: Attempt) -> Saving:
        reason = reason_for_folders(trainer)
        if reason is not None:
            _log.info("Trainer writes each checkpoint itself and stands still for it: %s", reason)
        elif trainer.args.save_strategy != "no":
            _log.info("Trainer's own folders are not written: checkpoints are saved here")
        return cls(trainer, attempt, folders=reason is not None)

    def inspect(self) -> None:
        """Look at what will be saved, when the first step is made.

        Raises:
            NotLoadableError: names what no resume could load.
        """
        if not self.folders and not self.attempt.checkpoints.inspected:
            state = {**tensors_of(self.trainer), "scheduler.pt": schedule_of(self.trainer)}
            self.attempt.checkpoints.inspect(state)

    def save(self, at: Continuation, state: TrainerState) -> None:
        """Save the state of the newest step, to go on from `at`."""
        self.attempt.checkpoints.save(
            state.global_step,
            int(state.epoch or 0),
            lambda: self._take(at, state),
            self._metric(state),
        )

    def _metric(self, state: TrainerState) -> Metric | None:
        monitor = self.attempt.checkpoints.plan.monitor or "eval_loss"
        return metric_at(state.log_history, state.global_step, monitor)

    def is_better(self) -> bool:
        """Whether the newest evaluation is the best so far, and its weights are wanted."""
        metric, checkpoints = self._metric(self.trainer.state), self.attempt.checkpoints
        return metric is not None and checkpoints.plan.better(metric.value, checkpoints.best)

    def _take(self, at: Continuation, state: TrainerState) -> Snapshot:
        small = {FILE: at.text(self.attempt.memory()), LOADER: saved(self.loader.state_dict())}
        if self.folders:
            return FolderSnapshot.of(self.folder, state, small)
        if self.described is None:
            self.described = descriptions(self.trainer)
        small |= {**self.described, **generators_and_schedule(self.trainer)}
        tensors = cast("StateSnapshot", self.attempt.checkpoints.stage(tensors_of(self.trainer)))
        return StagedSnapshot(self.trainer, tensors, state, small)

    @property
    def folder(self) -> Path:
        """Where Trainer writes the newest step itself."""
        return folder_of(self.trainer, self.trainer.state.global_step)
