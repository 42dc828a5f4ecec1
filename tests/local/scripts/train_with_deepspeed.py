"""A loop as people write it with DeepSpeed, ZeRO stage 1."""

import os
import time

import deepspeed
import torch
import torch.distributed as dist
from torch import nn

# For a test: the last rank hangs before this step.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))
CONFIG = {
    "train_micro_batch_size_per_gpu": 8,
    "zero_optimization": {"stage": 1},
    "zero_allow_untested_optimizer": True,
    "bf16": {"enabled": True},
}


def batch(step: int) -> torch.Tensor:
    """Of this rank and step, whatever was drawn before."""
    generator = torch.Generator().manual_seed(1000 * step + dist.get_rank())
    return torch.randn(8, 16, generator=generator).bfloat16()


def main() -> None:
    deepspeed.init_distributed("gloo")
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=CONFIG)
    _, state = engine.load_checkpoint("out")
    done = state["step"] if state else 0
    print(f"begins at step {done}", flush=True)  # noqa: T201 - a script speaks on stdout
    for step in range(done, 16):
        if step == HANGS_AT and dist.get_rank() == dist.get_world_size() - 1:
            time.sleep(3600)
        inputs = batch(step)
        engine.backward((engine(inputs) - inputs.sin()).pow(2).mean())
        engine.step()
        if (step + 1) % 4 == 0:
            engine.save_checkpoint("out", client_state={"step": step + 1})
    if dist.get_rank() == 0:
        torch.save(engine.module.state_dict(), "model.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
