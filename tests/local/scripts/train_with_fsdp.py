"""A loop as people write it with FSDP2 and torch.distributed.checkpoint; nothing of this project.

Each save has a fresh folder, and the script resumes from the newest one that it finds.
"""

import os
import re
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import fully_shard

FOLDER = Path(sys.argv[1])
STEPS = 16
SAVE_EVERY = 4
# For a test: the last rank hangs before this step, and with it all; or it fails there.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))
RAISES_AT = int(os.environ.get("RAISES_AT", "-1"))


def newest() -> Path | None:
    found = [path for path in FOLDER.glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return max(found, key=lambda path: int(path.name[5:]), default=None)


def batch(step: int) -> torch.Tensor:
    """Of this rank and step, whatever was drawn before."""
    generator = torch.Generator().manual_seed(1000 * step + dist.get_rank())
    return torch.randn(8, 16, generator=generator)


def fail(step: int) -> None:
    if step == HANGS_AT:
        time.sleep(3600)
    if step == RAISES_AT:
        raise ValueError(f"bad batch at step {step}")


def main() -> None:
    dist.init_process_group("gloo")
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))
    for layer in model:
        fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    done = 0
    if (folder := newest()) is not None:
        weights, moments = get_state_dict(model, optimizer)
        dcp.load({"model": weights, "optimizer": moments}, checkpoint_id=folder)  # type: ignore[attr-defined]  # of torch
        set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=moments)
        done = int(folder.name[5:])
    print(f"begins at step {done}", flush=True)  # noqa: T201 - a script speaks on stdout
    for step in range(done, STEPS):
        if dist.get_rank() == dist.get_world_size() - 1:
            fail(step)
        inputs = batch(step)
        loss = (model(inputs) - inputs.sin()).pow(2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % SAVE_EVERY == 0:
            weights, moments = get_state_dict(model, optimizer)
            path = FOLDER / f"step-{step + 1}"
            dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=path)  # type: ignore[attr-defined]  # of torch
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(model, options=options)
    if dist.get_rank() == 0:
        torch.save(weights, FOLDER.parent / "model.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
