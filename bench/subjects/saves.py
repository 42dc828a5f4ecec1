"""A plain training that saves again and again, in one of several ways; tells what that cost it.

`saves WAY MEGABYTES SAVES [DEVICE]`, in an empty folder. WAY is one of `WAYS`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import async_save

from resilient_training import Checkpointer, SavePlan
from resilient_training.checkpoints.metadata import SavedCheckpoint

_IDLE_SECONDS = 3.0
_SHORTEST = 0.3  # seconds of steps after each save, however soon it is done
_PARAMETERS = 40
_NUMBERS_IN_A_MEGABYTE = 250_000

State = dict[str, Tensor]
Done = Callable[[], bool]


@dataclass
class Store:
    """Takes all at once: what an upload costs is another question."""

    stored: bool = True
    committed: list[SavedCheckpoint] = field(default_factory=list)

    def commit(self, saved: SavedCheckpoint) -> bool:
        self.committed.append(saved)
        return True

    def uploaded_bytes(self) -> int | None:
        return None

    def by_hand(self, saved: SavedCheckpoint) -> str:
        return str(saved.path)

    def bar_after(self, step: int) -> list[str]:
        return [str(step)]


def memcpy(state: State) -> Callable[[int], Done]:
    """Copy into kept buffers and write nothing: what no way can be below."""
    pinned = next(iter(state.values())).is_cuda
    buffers = [torch.zeros_like(one, device="cpu", pin_memory=pinned) for one in state.values()]

    def save(_step: int) -> Done:
        for buffer, tensor in zip(buffers, state.values(), strict=True):
            buffer.copy_(tensor, non_blocking=pinned)
        if pinned:
            torch.cuda.synchronize()
        return lambda: True

    return save


def blocking(state: State) -> Callable[[int], Done]:
    def save(step: int) -> Done:
        torch.save(state, f"{step}.ckpt")
        return lambda: True

    return save


def asynchronous(state: State, *, kept: bool) -> Callable[[int], Done]:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29611", RANK="0", WORLD_SIZE="1")
    dist.init_process_group("gloo")
    pinned = torch.cuda.is_available()
    stager = DefaultStager(StagingOptions(pinned, False, False, pinned)) if kept else None  # noqa: FBT003 - of torch

    def save(step: int) -> Done:
        writing = async_save(state, checkpoint_id=f"dcp-{step}", async_stager=stager)
        done: Done = writing.done  # type: ignore[union-attr]  # a Future, as no staging is asked for
        return done

    return save


def ours(state: State) -> Callable[[int], Done]:
    checkpoints = Checkpointer(SavePlan(Path("ours"), keep=1), Store())
    checkpoints.inspect(state)

    def save(step: int) -> Done:
        checkpoints.save(step, 0, lambda: checkpoints.stage(state))
        return lambda: checkpoints.drain(0)

    return save


WAYS: dict[str, Callable[[State], Callable[[int], Done]]] = {
    "memcpy": memcpy,
    "torch.save": blocking,
    "async_save": lambda state: asynchronous(state, kept=False),
    "async_save, kept stager": lambda state: asynchronous(state, kept=True),
    "ours": ours,
}


def steps(until: Done, device: str) -> list[float]:
    """Make steps, of Python as well as of torch; gives the seconds of each."""
    inputs, walls = torch.rand(256, 256, device=device), []
    while not until():
        began = time.perf_counter()
        for _ in range(12):
            inputs = torch.tanh(inputs @ inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize()
        sum(range(2000))
        walls.append(time.perf_counter() - began)
    return walls


def memory(which: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(which))


def after(seconds: float) -> Done:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def measured(way: str, megabytes: int, saves: int, device: str) -> dict[str, object]:
    size = megabytes * _NUMBERS_IN_A_MEGABYTE // _PARAMETERS
    state = {f"weight{place}": torch.rand(size, device=device) for place in range(_PARAMETERS)}
    steps(after(0.5), device)
    base = memory("VmRSS")
    save = WAYS[way](state)
    idle = steps(after(_IDLE_SECONDS), device)
    stalls, totals, during = [], [], []
    for step in range(1, saves + 1):
        began = time.perf_counter()
        done = save(step)
        stalls.append(time.perf_counter() - began)
        shortest = after(_SHORTEST)
        walls = steps(lambda: done() and shortest(), device)  # noqa: B023 - used at once
        totals.append(max(stalls[-1], time.perf_counter() - began - _SHORTEST))
        during.extend(walls if step > 1 else [])  # the first has more to do
    return {
        "stalls": stalls,
        "totals": totals,
        "idle": median(idle),
        "saving": median(during),
        "extra": memory("VmHWM") - base,
    }


if __name__ == "__main__":
    name, size, number, *where = sys.argv[1:]
    torch.set_num_threads(1)
    figures = measured(name, int(size), int(number), where[0] if where else "cpu")
    print(f"bench {json.dumps(figures)}", flush=True)
    os._exit(0)  # what torch.distributed still holds is no part of it
