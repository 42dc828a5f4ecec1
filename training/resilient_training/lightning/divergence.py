"""A loss that has left for good: end the attempt, and bar the checkpoints made since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

from resilient_training.healthy_loss import LossDiverged

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.healthy_loss import LossHistory


class LossWatch(Callback):
    """Looks at the loss of every batch; `attempt.fit` puts one in, of `attempt.losses`.

    The loss of a batch tells of the weights that it was computed with, which are those of the
    checkpoint of that step: a loss at step 36 that is not finite makes a checkpoint of step 36
    suspect. With a GradScaler, which skips such steps itself, leave this callback out. Reading the
    loss waits for the device once per batch. Several processes judge the mean of their losses, so
    that they end together.
    """

    def __init__(self, losses: LossHistory) -> None:
        self._losses = losses
        self._step = 0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self._losses.before)}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._losses.before.clear()
        self._losses.before.extend(state_dict["losses"])

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._losses.begin(trainer.global_step)

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
        try:
            self._losses.see(self._step, float(_of_all(trainer, loss)))
        except LossDiverged:
            # Rank 0 bars the checkpoints; whoever left before would take it down.
            trainer.strategy.barrier()
            raise


def _of_all(trainer: Trainer, loss: Tensor) -> Tensor | float:
    if trainer.world_size == 1:
        return loss
    mean: Tensor | float = trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")
    return mean
