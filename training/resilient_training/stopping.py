"""SIGTERM, which SageMaker sends 120 s before it kills: the signal of every planned end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from resilient_training.ending import TERMINATED

if TYPE_CHECKING:
    from types import FrameType

    from lightning.pytorch import LightningModule, Trainer


class GracefulStop(Callback):
    """Gives SIGTERM a meaning from the start.

    PID 1 has no default action for signals. Before the training there is nothing to save, so the
    process leaves at once; while it runs Lightning ends the batch and raises; after it the end is
    near, and stays the end.
    """

    def __init__(self) -> None:
        self._training = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._training:
            raise SystemExit(TERMINATED)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = True
