"""A loss that has left for good: end the attempt, and bar the checkpoints made since."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.checkpoints import CheckpointArtifacts

_log = logging.getLogger(__name__)

_WINDOW = 100
_FEWEST = 20


class LossDiverged(Exception):  # noqa: N818  # the failure text begins with this very word
    """The loss is not finite, or far above what it was."""


@dataclass(frozen=True)
class HealthyLoss:
    """What a healthy loss is.

    One that is not finite never is. With `factor`, neither is one that exceeds the median of the
    last healthy ones by more than `factor` times their spread; `patience` such losses in a row
    are a divergence, fewer are a spike.
    """

    factor: float = 0
    patience: int = 5

    def fault(self, loss: float, before: deque[float]) -> str | None:
        """What is wrong with `loss`; None where it is healthy."""
        if not math.isfinite(loss):
            return f"{loss}"
        if self.factor <= 0 or len(before) < _FEWEST:
            return None
        middle = median(before)
        spread = median(abs(value - middle) for value in before)
        if loss <= middle + self.factor * max(spread, 1e-3 * abs(middle)):
            return None
        return f"{loss:.4g}, median {middle:.4g} and spread {spread:.4g} before it"


class LossWatch(Callback):
    """Looks at the loss of every batch; place it before the callback that saves.

    The loss of a batch tells of the weights that it was computed with, which are those of the
    checkpoint of that step: a loss at step 36 that is not finite makes a checkpoint of step 36
    suspect. With a GradScaler, which skips such steps itself, leave this callback out. Reading the
    loss waits for the device once per batch.
    """

    def __init__(self, checkpoints: CheckpointArtifacts, healthy: HealthyLoss) -> None:
        self._checkpoints = checkpoints
        self._healthy = healthy
        self._before: deque[float] = deque(maxlen=_WINDOW)
        self._in_a_row = 0
        self._step = 0
        self._healthy_step = 0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self._before)}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before.extend(state_dict["losses"])

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Of the weights that it resumes from nothing is known before the first batch.
        self._healthy_step = trainer.global_step - 1

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._step = trainer.global_step

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Judge one loss.

        Raises:
            LossDiverged: it is not finite, or the last of too many that were too high.
        """
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if not isinstance(loss, Tensor):
            return
        value = float(loss)
        fault = self._healthy.fault(value, self._before)
        if fault is None:
            self._before.append(value)
            self._in_a_row, self._healthy_step = 0, self._step
            return
        self._in_a_row += 1
        if not math.isfinite(value) or self._in_a_row >= self._healthy.patience:
            raise LossDiverged(self._end(fault))

    def _end(self, fault: str) -> str:
        """Mark what may be spoilt; gives the message."""
        suspects = self._checkpoints.bar_after(self._healthy_step)
        _log.error("the loss diverged; barred: %s", " ".join(suspects) or "none")
        return (
            f"the loss at step {self._step} is {fault}; "
            f"healthy up to step {self._healthy_step}; suspect: {' '.join(suspects) or 'none'}"
        )
