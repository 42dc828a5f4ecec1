"""A training of seconds, in this process, that draws on every source of randomness."""

import hashlib
import io
import os
import random
import shutil
import signal
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from resilient_training import (
    Attempt,
    Checkpointer,
    Ending,
    HealthyLoss,
    LossHistory,
    ResumePoint,
    SavePlan,
    StopRequest,
)
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint
from resilient_training.checkpoints.snapshot import Snapshot
from resilient_training.history import History
from resilient_training.job import job_from
from resilient_training.notices import Notices

if TYPE_CHECKING:
    import wandb

    from resilient_training.checkpoints.resume import TryLoad

SEED, BATCH, SIZE, EPOCHS = 5, 4, 18, 3
STEPS_PER_EPOCH = 5


class Augmented(Dataset[Tensor]):
    """Draws from every source of randomness while it reads a sample."""

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> Tensor:
        noise = random.random() + np.random.rand() + torch.rand(3)  # noqa: NPY002, S311
        return torch.sin(torch.arange(3.0) * index) + 0.1 * noise


class Data(LightningDataModule):
    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(Augmented(), batch_size=BATCH, shuffle=True)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(Augmented(), batch_size=BATCH)


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def loss(self, batch: Tensor) -> Tensor:
        loss: Tensor = (self.layers(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        return loss

    def training_step(self, batch: Tensor) -> Tensor:
        loss = self.loss(batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Tensor) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.05)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Killed(BaseException):
    """The machine is gone: no handler of the training catches this."""


@dataclass
class KillAt(Callback):
    batch: int

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            raise Killed


@dataclass
class TerminateAt(Callback):
    batch: int

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class TerminateInValidation(Callback):
    """SIGTERM comes while this batch, counted over all validations, is validated on."""

    batch: int

    @override
    def on_validation_batch_start(self, *_: object, **__: object) -> None:
        self.batch -= 1
        if self.batch == -1:
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class PressAt(Callback):
    """A person presses W&B's button while this batch is trained."""

    batch: int
    stop: StopRequest

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            pressing = threading.Thread(target=self.stop.ask)
            pressing.start()
            pressing.join()


@dataclass
class SaveAtOnce(Callback):
    """Has each save done before the next step, so that no scheduled one is put off."""

    checkpoints: Checkpointer

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        self.checkpoints.settle()


@dataclass
class Store:
    """Takes checkpoints, or refuses them."""

    refusing: bool = False
    committed: list[SavedCheckpoint] = field(default_factory=list)
    stored: bool = True

    def commit(self, saved: SavedCheckpoint) -> bool:
        if not self.refusing:
            self.committed.append(saved)
        return not self.refusing

    def uploaded_bytes(self) -> int | None:
        return len(self.committed)

    def by_hand(self, saved: SavedCheckpoint) -> str:
        return f"take {saved.path}"

    def best(self, into: Path) -> Metric | None:
        """As RunCheckpoints: the newest that was the best when it was made."""
        found = [saved for saved in self.committed if saved.best]
        if not found:
            return None
        shutil.copy(found[-1].path, into)
        return found[-1].metric

    def bar_after(self, step: int) -> list[str]:
        return [str(saved.step) for saved in self.committed if saved.step > step]


@dataclass(frozen=True)
class Held:
    """A state as it is now; it is written at once."""

    state: dict[str, Any]


class EachSave(Checkpointer):
    """Keeps the file of each save, and commits it at once; nothing is overtaken or put off."""

    def stage(self, state: Mapping[str, Any]) -> Snapshot:
        return cast("Snapshot", Held(dict(state)))

    def save(
        self, step: int, epoch: int, take: Callable[[], Snapshot], metric: Metric | None = None
    ) -> None:
        best = metric is not None and self.plan.better(metric.value, self.best)
        if best and metric is not None:
            self.best = metric.value
        self.plan.directory.mkdir(parents=True, exist_ok=True)
        path = self.plan.directory / f"{len(list(self.plan.directory.iterdir()))}.ckpt"
        torch.save(cast("Held", take()).state, path)
        self.begin(step)
        self.store.commit(SavedCheckpoint(path, step, epoch, path.name, metric, best))

    def finish(self, wait: float | None = None) -> bool:
        del wait
        return True


class Config(dict[str, Any]):
    """Of a run."""

    def update(self, values: dict[str, Any], *, allow_val_change: bool) -> None:  # type: ignore[override]
        assert allow_val_change
        super().update(values)


@dataclass
class Run:
    """A W&B run of which the server has the rows below `starting_step`."""

    starting_step: int = 0
    id: str = "small"
    project: str = "project"
    dir: str = "."
    resumed: bool = False
    _local_step: int = 0
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=Config)

    def log(self, row: dict[str, Any], step: int | None = None) -> None:
        self.rows.append((-1 if step is None else step, row))

    def define_metric(self, *_: object, **__: object) -> None:
        """Take an axis."""

    @property
    def steps(self) -> dict[int, dict[str, Any]]:
        """As W&B has it: all that is logged of a step is one row."""
        merged: dict[int, dict[str, Any]] = {}
        for step, row in self.rows:
            merged.setdefault(step, {}).update(row)
        return merged


@dataclass
class PressInValidation(Callback):
    """A person presses W&B's button while this batch, over all validations, is validated on."""

    batch: int
    stop: StopRequest

    @override
    def on_validation_batch_start(self, *_: object, **__: object) -> None:
        self.batch -= 1
        if self.batch == -1:
            pressing = threading.Thread(target=self.stop.ask)
            pressing.start()
            pressing.join()


class AttemptOfStore(Attempt):
    """Resumes from the newest checkpoint of its store."""

    def find(
        self,
        folder: Path,
        environment: MutableMapping[str, str],
        try_load: "TryLoad" = lambda _: None,
    ) -> ResumePoint | None:
        del folder, environment, try_load
        committed = cast("Store", self.checkpoints.store).committed
        return ResumePoint("v0", committed[-1].path, None) if committed else None


def attempt_of(  # noqa: PLR0913 - each is a part of an attempt
    plan: SavePlan,
    store: Store,
    *,
    run: Run | None = None,
    watch: HealthyLoss | None = None,
    stop: StopRequest | None = None,
    checkpointer: type[Checkpointer] = Checkpointer,
) -> Attempt:
    checkpoints = checkpointer(plan, store)
    of_wandb = cast("wandb.Run", run or Run())
    return AttemptOfStore(
        job=job_from({}),
        run=of_wandb,
        checkpoints=checkpoints,
        losses=LossHistory(watch or HealthyLoss(), checkpoints.bar_after),
        stop=stop or StopRequest(Ending(plan.directory / "failure")),
        history=History(of_wandb),
        notices=Notices(of_wandb),
        seed=SEED,
    )


def train(  # noqa: PLR0913 - each is a word of a test
    plan: SavePlan,
    store: Store,
    *breaking: Callback,
    watch: HealthyLoss | None = None,
    stop: StopRequest | None = None,
    run: Run | None = None,
    make: Callable[[], LightningModule] = Network,
    data: Callable[[], LightningDataModule] = Data,
    checkpointer: type[Checkpointer] = Checkpointer,
    **options: Any,  # noqa: ANN401 - the Trainer's own
) -> tuple[str, Trainer]:
    """Train from the newest committed checkpoint; gives the sha256 of the final weights."""
    attempt = attempt_of(plan, store, run=run, watch=watch, stop=stop, checkpointer=checkpointer)
    callbacks = [*breaking, *options.pop("callbacks", []), SaveAtOnce(attempt.checkpoints)]
    trainer = Trainer(
        **{
            "max_epochs": EPOCHS,
            "accelerator": "cpu",
            "callbacks": callbacks,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
            "logger": False,
            **options,
        }
    )
    torch.manual_seed(SEED)
    model = make()
    if store.committed:
        # A resumed process has another random state than the one that was killed had.
        torch.manual_seed(1000)
    try:
        attempt.fit(trainer, model, data())
        attempt.history.flush()
    finally:
        attempt.checkpoints.drain()
    attempt.checkpoints.finish()
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return hashlib.sha256(content.getvalue()).hexdigest(), trainer
