"""The job's tags, written by a Lightning training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from typing_extensions import override

from resilient_training.tags import JobMarks

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class JobTags(JobMarks, Callback):
    """`JobMarks` as a callback; with several processes rank 0 alone writes."""

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit" and trainer.is_global_zero:
            loggers = [one for one in trainer.loggers if isinstance(one, WandbLogger)]
            self.begun(loggers[0].experiment if loggers else None)
