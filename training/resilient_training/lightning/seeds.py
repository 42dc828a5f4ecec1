"""Randomness that a resumed training finds again: keyed by the batch, not by what came before."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from resilient_training.data.randomness import seed_from

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

_FETCH, _STEP = 0, 1


class StepSeeds(Callback):
    """Seeds torch, numpy and random before each batch is fetched and before each is trained on.

    Exact for one process and `num_workers=0`: worker processes draw from seeds of their own.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _seed(self, trainer: Trainer, purpose: int) -> None:
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        # Each process has dropouts of its own; rank 0's are those of a training alone.
        rank = (trainer.global_rank,) if trainer.global_rank else ()
        seed_from(self.seed, batches, purpose, *rank)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning wants a state_dict on the loader; the sampler reads the position instead.
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seed(trainer, _FETCH)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seed(trainer, _FETCH)

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._seed(trainer, _STEP)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._seed(trainer, _FETCH)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._seed(trainer, _FETCH)
