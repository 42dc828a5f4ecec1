"""A training on a device that saves beside its steps, and goes on from its newest file.

`killed_on_device FOLDER DEVICE`; prints each step, and at the end the sha256 of the weights.
"""

import hashlib
import io
import sys
from pathlib import Path

import torch
from torch import nn

from bench.subjects.saves import Store
from resilient_training import Checkpointer, SavePlan, seed_from

STEPS, EVERY, SEED = 120, 5, 7


def network() -> nn.Module:
    torch.manual_seed(SEED)
    layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10))


def newest(folder: Path) -> Path | None:
    files = folder.glob("*.ckpt")
    return max(files, key=lambda path: int(path.name.split("-")[1]), default=None)


def train(folder: Path, device: str) -> str:
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    model = network().to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    begin, saved = 0, newest(folder)
    if saved is not None:
        state = torch.load(saved, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        begin = state["step"]
    checkpoints = Checkpointer(SavePlan(folder, every_n_steps=EVERY), Store())
    checkpoints.begin(begin)
    for step in range(begin + 1, STEPS + 1):
        seed_from(SEED, step)
        images, labels = torch.rand(32, 3, 32, 32), torch.randint(10, (32,))
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        optimizer.step()
        print(f"step {step}", flush=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        if checkpoints.due(step):
            checkpoints.save(step, 0, lambda: checkpoints.stage(state))  # noqa: B023 - taken at once
    checkpoints.finish()
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return hashlib.sha256(content.getvalue()).hexdigest()


if __name__ == "__main__":
    print(train(Path(sys.argv[1]), sys.argv[2]))
