"""A Lightning training in two processes that survives its machine, weights to the last bit."""

import logging
import sys
import time

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from resilient_training import (
    CheckpointArtifacts,
    HealthyLoss,
    LossWatch,
    OneHistory,
    StepSeeds,
    fit_attempt,
    resilient,
    resumable_loader,
)

SEED, BATCH, EPOCHS = 7, 4, 3
INPUTS = torch.randn(45, 4, generator=torch.Generator().manual_seed(0))


class Data(LightningDataModule):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    @override
    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        data = TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True).sin())
        return resumable_loader(data, self.trainer, batch_size=BATCH, seed=self.seed)


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
    with resilient("two-processes", every_n_steps=4) as attempt:
        torch.manual_seed(SEED)
        model = Network(seconds_per_step)
        saving = CheckpointArtifacts.of(attempt)
        watch = LossWatch(saving, HealthyLoss(factor=10))
        trainer = Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            strategy="ddp",
            devices=2,
            logger=OneHistory(attempt.run),
            callbacks=[StepSeeds(SEED), watch, saving],
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        fit_attempt(attempt, trainer, model, Data(attempt.data_seed(SEED)))
        if trainer.is_global_zero:
            torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main(float(sys.argv[1]) if sys.argv[1:] else 0)
