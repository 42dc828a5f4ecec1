"""A Lightning training in two processes that survives its machine, weights to the last bit."""

import logging
import sys
import time

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from resilient_training import HealthyLoss, resilient

SEED, BATCH, EPOCHS = 7, 4, 3
INPUTS = torch.randn(45, 4, generator=torch.Generator().manual_seed(0))


class Data(LightningDataModule):
    @override
    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        data = TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True).sin())
        return DataLoader(data, batch_size=BATCH, shuffle=True)


class Network(LightningModule):
    def __init__(self, seconds_per_step: float) -> None:
        super().__init__()
        self.seconds_per_step = seconds_per_step
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))

    @override
    def training_step(self, batch: list[Tensor]) -> Tensor:
        time.sleep(self.seconds_per_step)
        inputs, wanted = batch
        loss = nn.functional.mse_loss(self.layers(inputs), wanted)
        self.log("loss", loss)
        return loss

    @override
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


def main(seconds_per_step: float) -> None:
    with resilient("two-processes", every_n_steps=4, healthy=HealthyLoss(factor=10)) as attempt:
        seed_everything(SEED)
        model = Network(seconds_per_step)
        trainer = Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            strategy="ddp",
            devices=2,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        attempt.fit(trainer, model, Data())
        if trainer.is_global_zero:
            torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main(float(sys.argv[1]) if sys.argv[1:] else 0)
