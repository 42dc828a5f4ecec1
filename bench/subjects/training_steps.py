"""A training whose steps are timed: bare, with WandbLogger(log_model="all"), or with our callbacks.

`training_steps MODE MEGABYTES STEPS EVERY_N_STEPS EVERY_SECONDS SECONDS_PER_STEP`
"""

import json
import logging
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
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
    resilient,
)

PROJECT, BATCH, SEED = "bench-training", 64, 7
_NUMBERS_IN_A_MEGABYTE = 250_000


@dataclass(frozen=True)
class Plan:
    mode: str
    megabytes: int
    steps: int
    every_n_steps: int
    every_seconds: float
    seconds_per_step: float


class Clock(Callback):
    """Wall and CPU time between the beginnings of two steps: all that is done for one."""

    def __init__(self, *, tells: bool) -> None:
        self.tells = tells
        self.spent = {"callbacks": 0.0, "logger": 0.0}
        self.callbacks: list[float] = []
        self.logger: list[float] = []
        self.walls: list[float] = []
        self.cpus: list[float] = []
        self.peaks: list[float] = []

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.callbacks.append(self.spent["callbacks"])
        self.logger.append(self.spent["logger"])
        self.walls.append(time.monotonic())
        self.cpus.append(time.process_time())
        self.peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        if self.tells:
            print(f"at step {trainer.global_step}", flush=True)

    def watch(self, kind: str, part: object, *hooks: str) -> None:
        """Count the time that is spent in these methods of a callback or logger."""
        for hook in hooks:
            setattr(part, hook, self._timed(kind, getattr(part, hook)))

    def _timed(self, kind: str, method: Callable[..., object]) -> Callable[..., object]:
        @wraps(method)
        def timed(*given: object, **named: object) -> object:
            began = time.monotonic()
            try:
                return method(*given, **named)
            finally:
                self.spent[kind] += time.monotonic() - began

        return timed


class Data(LightningDataModule):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan

    @override
    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        # One sample, so often that no epoch ends while it is measured.
        images = torch.rand(1, 1, 28, 28).expand(BATCH * (self.plan.steps + 1), 1, 28, 28)
        data = TensorDataset(images)
        return DataLoader(data, batch_size=BATCH, shuffle=True)


class Network(LightningModule):
    """Some convolutions, and as many weights beside them as a checkpoint has to be large."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.layers = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU())
        self.ballast = nn.Parameter(torch.rand(plan.megabytes * _NUMBERS_IN_A_MEGABYTE))

    @override
    def training_step(self, batch: list[Tensor]) -> Tensor:
        time.sleep(self.plan.seconds_per_step)
        loss: Tensor = self.layers(batch[0]).pow(2).mean()
        self.log("loss", loss)
        return loss

    @override
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.SGD(self.layers.parameters(), lr=1e-3)


def trainer_for(
    plan: Plan, clock: Clock, logger: WandbLogger | None, *callbacks: Callback
) -> Trainer:
    for callback in callbacks:
        clock.watch("callbacks", callback, "on_train_batch_start", "on_train_batch_end")
    if logger:
        clock.watch("logger", logger, "log_metrics")
    return Trainer(
        max_steps=plan.steps,
        accelerator="cpu",
        logger=logger or False,
        callbacks=[clock, *callbacks],
        log_every_n_steps=10,
        enable_checkpointing=plan.mode == "wandb",
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def train(plan: Plan, clock: Clock) -> None:
    model, data = Network(plan), Data(plan)
    if plan.mode == "bare":
        trainer_for(plan, clock, None).fit(model, datamodule=data)
    elif plan.mode == "wandb":
        by_time = timedelta(seconds=plan.every_seconds) if plan.every_seconds else None
        saving = ModelCheckpoint(
            "saved", every_n_train_steps=plan.every_n_steps or None, train_time_interval=by_time
        )
        logger = WandbLogger(project=PROJECT, log_model="all")
        trainer_for(plan, clock, logger, saving).fit(model, datamodule=data)
    else:
        minutes = plan.every_seconds / 60
        every, healthy = plan.every_n_steps, HealthyLoss(factor=10)
        with resilient(
            PROJECT, every_n_steps=every, every_minutes=minutes, healthy=healthy
        ) as attempt:
            # What attempt.fit would put in by itself, so that its time can be taken.
            ours, watch = CheckpointArtifacts(attempt), LossWatch(attempt.losses)
            clock.watch("callbacks", ours, "batch_made", "step_made")
            logger = OneHistory(attempt.history)
            trainer = trainer_for(plan, clock, logger, StepSeeds(SEED), watch, ours)
            attempt.fit(trainer, model, data)


def main(mode: str, *numbers: str) -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    megabytes, steps, every_n_steps, *seconds = numbers
    plan = Plan(mode, int(megabytes), int(steps), int(every_n_steps), *map(float, seconds))
    # The SDK reads along what is printed, which is no part of a step that is timed.
    clock = Clock(tells=plan.seconds_per_step > 0)
    train(plan, clock)
    kinds = ("walls", "cpus", "callbacks", "logger", "peaks")
    times = {name: getattr(clock, name) for name in kinds}
    print(f"bench {json.dumps(times)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
