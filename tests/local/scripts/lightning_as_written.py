# ruff: noqa: ANN001, ANN201, ANN204
# mypy: ignore-errors
import sys
import time

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Network(LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))

    def training_step(self, batch):
        time.sleep(float(sys.argv[1]) if sys.argv[1:] else 0)
        loss = nn.functional.mse_loss(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch):
        self.log("val_loss", nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    def test_step(self, batch):
        self.log("test_loss", nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.03)


seed_everything(7)
inputs = torch.randn(96, 4)
data = TensorDataset(inputs, inputs.sum(1, keepdim=True).sin())
train, valid = torch.utils.data.random_split(data, [64, 32])
training, validation = DataLoader(train, batch_size=8, shuffle=True), DataLoader(valid, 8)
best = ModelCheckpoint(monitor="val_loss")
logger = WandbLogger(project="as-written")
callbacks = [best, EarlyStopping("val_loss", patience=2)]
trainer = Trainer(max_epochs=12, callbacks=callbacks, logger=logger, log_every_n_steps=1)
model = Network()
trainer.fit(model, training, validation)
trainer.test(model, validation, ckpt_path="best")
torch.save(model.state_dict(), "model.pt")
