"""A stop of the training under Lightning: of every planned end, and of a person in W&B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from resilient_training.stop_request import StopRequest

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class GracefulStop(StopRequest, Callback):
    """Gives SIGTERM, which SageMaker sends 120 s before it kills, a meaning from the start.

    PID 1 has no default action for signals. Before the training there is nothing to save, so the
    process leaves at once; while it runs Lightning ends the batch and raises; after it the end is
    near, and stays the end. A person's stop in W&B is left to `CheckpointArtifacts(stop=…)`.
    """

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training = True
