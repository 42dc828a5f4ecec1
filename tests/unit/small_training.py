"""A training of seconds, in this process, that draws on every source of randomness."""

import hashlib
import io
import os
import random
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from resilient_training import (
    CheckpointArtifacts,
    HealthyLoss,
    LossWatch,
    ResumePoint,
    SavePlan,
    StepSeeds,
    StopRequest,
    fit,
    resumable_loader,
)
from resilient_training.checkpoints.metadata import SavedCheckpoint

SEED, BATCH, SIZE, EPOCHS = 5, 4, 18, 3
STEPS_PER_EPOCH = 5


class Augmented(Dataset[Tensor]):
    """Draws from every source of randomness while it reads a sample."""

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> Tensor:
        noise = random.random() + np.random.rand() + torch.rand(3)  # noqa: NPY002, S311
        return torch.sin(torch.arange(3.0) * index) + 0.1 * noise


class Data(LightningDataModule):
    def train_dataloader(self) -> DataLoader[Tensor]:
        return resumable_loader(Augmented(), self.trainer, batch_size=BATCH, seed=SEED)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(Augmented(), batch_size=BATCH)


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def loss(self, batch: Tensor) -> Tensor:
        loss: Tensor = (self.layers(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        return loss

    def training_step(self, batch: Tensor) -> Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Tensor) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.05)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Killed(BaseException):
    """The machine is gone: no handler of the training catches this."""


@dataclass
class KillAt(Callback):
    batch: int

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            raise Killed


@dataclass
class TerminateAt(Callback):
    batch: int

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class PressAt(Callback):
    """A person presses W&B's button while this batch is trained."""

    batch: int
    stop: StopRequest

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            pressing = threading.Thread(target=self.stop.ask)
            pressing.start()
            pressing.join()


@dataclass
class SaveAtOnce(Callback):
    """Has each save done before the next step, so that no scheduled one is put off."""

    checkpoints: CheckpointArtifacts

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        self.checkpoints.checkpointer.settle()


@dataclass
class Store:
    """Takes checkpoints, or refuses them."""

    refusing: bool = False
    committed: list[SavedCheckpoint] = field(default_factory=list)
    stored: bool = True

    def commit(self, saved: SavedCheckpoint) -> bool:
        if not self.refusing:
            self.committed.append(saved)
        return not self.refusing

    def bar_after(self, step: int) -> list[str]:
        return [str(saved.step) for saved in self.committed if saved.step > step]


def train(
    plan: SavePlan,
    store: Store,
    *breaking: Callback,
    watch: HealthyLoss | None = None,
    stop: StopRequest | None = None,
    **options: Any,  # noqa: ANN401 - the Trainer's own
) -> tuple[str, Trainer]:
    """Train from the newest committed checkpoint; gives the sha256 of the final weights."""
    checkpoints = CheckpointArtifacts(plan, store, stop=stop)
    watching = [LossWatch(checkpoints, watch)] if watch else []
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[StepSeeds(SEED), *watching, *breaking, SaveAtOnce(checkpoints), checkpoints],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **{"logger": False, **options},
    )
    torch.manual_seed(SEED)
    model = Network()
    point = None
    if store.committed:
        point = ResumePoint("v0", store.committed[-1].path, None)
        # A resumed process has another random state than the one that was killed had.
        torch.manual_seed(1000)
    try:
        fit(trainer, model, Data(), point)
    finally:
        checkpoints.checkpointer.drain()
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return hashlib.sha256(content.getvalue()).hexdigest(), trainer
