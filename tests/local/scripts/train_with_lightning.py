"""A script as people write it for Lightning, with its own ModelCheckpoint."""

import os
import time
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# For a test: the training hangs in this step.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Linear(16, 1))

    def on_train_start(self) -> None:
        print(f"begins at step {self.global_step}", flush=True)  # noqa: T201 - a script speaks

    def training_step(self, batch: Any) -> torch.Tensor:  # noqa: ANN401 - Lightning's
        if self.global_step == HANGS_AT:
            time.sleep(3600)
        loss = nn.functional.mse_loss(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.03)


def main() -> None:
    seed_everything(7)
    inputs = torch.randn(32, 4)
    data = DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True).sin()), batch_size=8)
    saving = ModelCheckpoint("out", monitor="train_loss", save_top_k=2, save_last=True)
    trainer = Trainer(
        max_epochs=4,
        accelerator="cpu",
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model := Network(), data, ckpt_path="last")
    torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    main()
