"""Randomness that a resumed training finds again: keyed by the batch, not by what came before."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from typing_extensions import override

from resilient_training.data.randomness import seed_from

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class Purpose(IntEnum):
    """What the randomness is for; part of the seed."""

    FETCH = 0
    STEP = 1
    VALIDATION = 2
    AFTER_BATCH = 3
    EPOCH_START = 4
    EPOCH_END = 5


class StepSeeds(Callback):
    """Seeds torch, numpy and random for each part of each batch and epoch, by `seed`.

    `attempt.fit` puts one in; give one of your own for another seed.
    """

    def __init__(self, seed: int) -> None:
        self.base = seed

    def seed(self, trainer: Trainer, purpose: Purpose) -> None:
        """Seed for one purpose at the place where the training is."""
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        # Each process has dropouts of its own; rank 0's are those of a training alone.
        rank = (trainer.global_rank,) if trainer.global_rank else ()
        seed_from(self.base, batches, purpose, *rank)

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.seed(trainer, Purpose.STEP)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn is TrainerFn.FITTING and not trainer.sanity_checking:
            self.seed(trainer, Purpose.VALIDATION)
