"""A plain PyTorch loop that survives its machine, and ends as if nothing had happened."""

import logging
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resilient_training import ResumableLoader, resilient

SEED, BATCH, EPOCHS = 7, 8, 4
INPUTS = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True).sin())


def main(seconds_per_step: float) -> None:
    with resilient("plain", every_n_steps=3) as attempt:
        torch.manual_seed(SEED)
        model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        loader = DataLoader(DATA, batch_size=BATCH, shuffle=True)
        data = ResumableLoader(loader, seed=attempt.data_seed(SEED), notices=attempt.notices)
        step = attempt.resume(model=model, optimizer=optimizer, data=data)
        while data.epoch < EPOCHS:
            for inputs, wanted in data:
                time.sleep(seconds_per_step)
                loss = nn.functional.mse_loss(model(inputs), wanted)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # of torch
                optimizer.step()
                step += 1
                attempt.log({"loss": loss.item()}, step)
                ends = data.ends_epoch
                attempt.after_step(step, data.epoch, epoch_ends=ends, loss=loss.item())
        torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main(float(sys.argv[1]) if sys.argv[1:] else 0)
