"""A training as people write it around torch.distributed.checkpoint, and what they forget in it.

`python train_and_save.py DIR [FLAW]`; FLAW is `forgets` (to resume), `no-optimizer` (in its
checkpoint), `unloadable` (its own checkpoint) or `one-step` (it ends before it saves).
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

FOLDER, FLAW = Path(sys.argv[1]), [*sys.argv[2:], ""][0]
STEPS, EVERY, PAUSE = 1 if FLAW == "one-step" else 2000, 20, 0.02


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    moments = {
        f"{number}.{name}": value
        for number, parameter in enumerate(model.parameters())
        for name, value in moments_of(optimizer, parameter).items()
    }
    state: dict[str, Any] = {"model": model.state_dict(), "step": torch.tensor(step)}
    return state if FLAW == "no-optimizer" else state | {"moments": moments}


def moments_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """Those that the optimizer works on, so that loading into them restores it."""
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state:
        zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        state.update(step=torch.tensor(0.0), **zeros)
    return state


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    step = resume(model, optimizer) if FLAW != "forgets" else 0
    while step < STEPS:
        inputs = torch.randn(16, 8, generator=torch.Generator().manual_seed(1000 + step))
        loss = (model(inputs).squeeze(-1) - inputs.sum(1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        print(f"step {step}: loss={loss.item():.6f}")  # noqa: T201 - as trainings do
        time.sleep(PAUSE)
        if step % EVERY == 0:
            save(state_of(model, optimizer, step), checkpoint_id=FOLDER / f"step-{step}")


def resume(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    saved = [path.parent for path in FOLDER.glob("step-*/.metadata")]
    if not saved:
        return 0
    newest = max(saved, key=lambda path: int(path.name.removeprefix("step-")))
    if FLAW == "unloadable":
        model.load_state_dict({"of another model": torch.zeros(1)})
    state = state_of(model, optimizer, 0)
    load(state, checkpoint_id=newest)
    model.load_state_dict(state["model"])
    print(f"resumed from {newest.name}")  # noqa: T201 - as trainings do
    return int(state["step"])


if __name__ == "__main__":
    main()
