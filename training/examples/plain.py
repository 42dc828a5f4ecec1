"""A plain PyTorch loop that survives its machine, and ends as if nothing had happened."""

import logging
import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from resilient_training import Position, ResumableSampler, resilient, seed_from

SEED, BATCH, EPOCHS = 7, 8, 4
INPUTS = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True).sin())
PER_EPOCH = -(-len(DATA) // BATCH)


def batches(at: Position, seed: int) -> Iterator[tuple[Tensor, ...]]:
    """The rest of an epoch, in an order that its number and the seed decide."""
    sampler = ResumableSampler(len(DATA), batch_size=BATCH, seed=seed, position=lambda: at)
    return iter(DataLoader(DATA, batch_size=BATCH, sampler=sampler, generator=torch.Generator()))


def main(seconds_per_step: float) -> None:
    with resilient("plain", every_n_steps=3) as attempt:
        torch.manual_seed(SEED)
        model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        step = attempt.resume(model=model, optimizer=optimizer)
        while step < EPOCHS * PER_EPOCH:
            at = Position(*divmod(step, PER_EPOCH))
            for inputs, wanted in batches(at, attempt.data_seed(SEED)):
                seed_from(SEED, step)
                time.sleep(seconds_per_step)
                loss = nn.functional.mse_loss(model(inputs), wanted)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # of torch
                optimizer.step()
                step += 1
                attempt.log({"loss": loss.item()}, step)
                ends = step % PER_EPOCH == 0
                attempt.after_step(step, at.epoch, epoch_ends=ends, loss=loss.item())
        torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main(float(sys.argv[1]) if sys.argv[1:] else 0)
