"""The small task that the variants share: 45 samples, 12 steps in an epoch, three epochs."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from resilient_training import resilient

SEED, BATCH, EPOCHS, EVERY = 7, 4, 3, 5
INPUTS = torch.randn(45, 4, generator=torch.Generator().manual_seed(0))
WANTED = INPUTS.sum(1, keepdim=True).sin()
DATA = TensorDataset(INPUTS, WANTED)
HELD_OUT = TensorDataset(INPUTS[:11], WANTED[:11])


def loader(data: Dataset[Any] = DATA, **options: Any) -> DataLoader[Any]:
    return DataLoader(data, **{"batch_size": BATCH, "shuffle": True, **options})


def held_out() -> DataLoader[Any]:
    return DataLoader(HELD_OUT, batch_size=BATCH)


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))

    def loss(self, batch: Any) -> Tensor:
        inputs, wanted = batch
        return nn.functional.mse_loss(self.layers(inputs), wanted)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", self.loss(batch))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def train(
    model: type[LightningModule] = Network,
    *data: Any,
    every: int = EVERY,
    block: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """The two lines, between what every script has."""
    with resilient(
        "same", every_n_steps=every, every_minutes=0, seed=SEED, **block or {}
    ) as attempt:
        torch.manual_seed(SEED)
        network = model()
        trainer = Trainer(**{**_QUIET, "max_epochs": EPOCHS, **options})
        attempt.fit(trainer, network, *(data or (loader(), held_out())))
        if trainer.is_global_zero:
            torch.save(network.state_dict(), "model.pt")


_QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "log_every_n_steps": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
