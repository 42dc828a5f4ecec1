"""Which checkpoint is the best: by the person's own ModelCheckpoint or EarlyStopping, if any."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from wandb.errors import CommError

from resilient_training.checkpoints.metadata import Metric
from resilient_training.job import CheckpointLoadError
from resilient_training.lightning.callbacks import those

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from torch import Tensor

    from resilient_training.attempt import Attempt
    from resilient_training.checkpoints.checkpointer import Checkpointer, SavePlan

_log = logging.getLogger(__name__)


def with_monitor(plan: SavePlan, trainer: Trainer) -> SavePlan:
    """The plan with a monitor: its own, else a ModelCheckpoint's, else an EarlyStopping's."""
    if plan.monitor is not None:
        return plan
    theirs: list[ModelCheckpoint | EarlyStopping] = [
        *those(trainer, ModelCheckpoint),
        *those(trainer, EarlyStopping),
    ]
    for one in theirs:
        if one.monitor is not None:
            mode: Literal["min", "max"] = "max" if one.mode == "max" else "min"
            return replace(plan, monitor=one.monitor, mode=mode)
    return plan


@runtime_checkable
class KnowsBest(Protocol):
    """A store that has the best checkpoint of a run."""

    def best(self, into: Path) -> Metric | None:
        """Fetch it as the file `into`; gives what it was best in, None where there is none."""


class Measured:
    """The monitored metric, where it was measured on the very state that is saved."""

    def __init__(self) -> None:
        self._seen: Tensor | None = None

    def forget(self, trainer: Trainer, plan: SavePlan) -> None:
        """Take what is there for one that was measured before."""
        self._seen = _value(trainer, plan)

    def metric(self, trainer: Trainer, plan: SavePlan) -> Metric | None:
        """The metric, unless it was measured before, or is no number."""
        value = _value(trainer, plan)
        if value is None or value is self._seen:
            return None
        self._seen = value
        number = float(value)
        return Metric(_name(plan), number) if math.isfinite(number) else None

    def best(self, trainer: Trainer, checkpointer: Checkpointer) -> Metric | None:
        """The metric, if it is better than all before."""
        metric = self.metric(trainer, checkpointer.plan)
        if metric is None or not checkpointer.plan.better(metric.value, checkpointer.best):
            return None
        return metric


def _name(plan: SavePlan) -> str:
    return plan.monitor or "val_loss"


def _value(trainer: Trainer, plan: SavePlan) -> Tensor | None:
    # Each measurement is a tensor of its own. The public property would make another.
    connector = trainer._logger_connector  # noqa: SLF001 - see above
    value: Tensor | None = connector._callback_metrics.get(_name(plan))  # noqa: SLF001 - as above
    return value


def bring_best(attempt: Attempt, trainer: Trainer) -> None:
    """Have the best checkpoint of the person's ModelCheckpoint here, for `trainer.test("best")`.

    After a resume on another machine only W&B has it.
    """
    if trainer.is_global_zero and isinstance(trainer.checkpoint_callback, ModelCheckpoint):
        one = trainer.checkpoint_callback
        if one.best_model_path and not Path(one.best_model_path).exists():
            _bring(attempt, trainer, one)
    trainer.strategy.barrier("bring_best")


def _bring(attempt: Attempt, trainer: Trainer, one: ModelCheckpoint) -> None:
    path = Path(one.best_model_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if one.monitor is None:
        trainer.save_checkpoint(path)  # the last is the best, and no epoch came after it
        return
    why = "W&B has none with the alias best"
    store = attempt.checkpoints.store
    try:
        metric = store.best(path) if isinstance(store, KnowsBest) else None
    except (CommError, CheckpointLoadError) as error:
        metric, why = None, str(error)
    if metric is None:
        _log.warning("the best checkpoint %s is not on this machine: %s", path, why)
    elif not _is_of(one, metric):
        _log.warning("W&B's best checkpoint has %s, ModelCheckpoint's is another", metric)
    else:
        _log.info("the best checkpoint was fetched from W&B: %s", path)


def _is_of(one: ModelCheckpoint, metric: Metric) -> bool:
    score = one.best_model_score
    return metric.name == one.monitor and score is not None and metric.value == float(score)


def pin_folders(trainer: Trainer, run: str) -> None:
    """Give each ModelCheckpoint without a folder one that the next attempt has too.

    Under a CSVLogger or TensorBoardLogger it would be one of a new version each time, and
    ModelCheckpoint forgets its scores where the folder is another.
    """
    if trainer.loggers and not isinstance(trainer.loggers[0], WandbLogger):
        folder = Path(trainer.default_root_dir) / "checkpoints" / run
        for one in those(trainer, ModelCheckpoint):
            if one.dirpath is None:
                one.dirpath = str(folder)
