"""A training that is broken off and resumed ends in the very bytes of one that was not."""

import hashlib
import io
import os
import random
import signal
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from resilient_training import (
    CheckpointArtifacts,
    CheckpointLoadError,
    CheckpointNotCommittedError,
    ResumePoint,
    SavePlan,
    StepSeeds,
    fit,
    resumable_loader,
)
from resilient_training.files import local_checkpoints
from resilient_training.metadata import SavedCheckpoint

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
        return resumable_loader(Augmented(), self.trainer, batch_size=BATCH, seed=SEED)

    def val_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(Augmented(), batch_size=BATCH)


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def training_step(self, batch: Tensor) -> Tensor:
        loss: Tensor = (self.layers(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        return loss

    def validation_step(self, batch: Tensor) -> None:
        self.log("val_loss", self.training_step(batch))

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
class Store:
    """Takes checkpoints, or refuses them."""

    refusing: bool = False
    committed: list[SavedCheckpoint] = field(default_factory=list)
    stored: bool = True

    def commit(self, saved: SavedCheckpoint) -> bool:
        if not self.refusing:
            self.committed.append(saved)
        return not self.refusing


def train(
    plan: SavePlan, store: Store, *breaking: Callback, accumulate: int = 1
) -> tuple[str, Trainer]:
    """Train from the newest local checkpoint; gives the sha256 of the final weights."""
    checkpoints = CheckpointArtifacts(plan, store)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        callbacks=[StepSeeds(SEED), *breaking, checkpoints],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accumulate_grad_batches=accumulate,
    )
    torch.manual_seed(SEED)
    model = Network()
    found = local_checkpoints(plan.directory)
    point = ResumePoint("v0", found[-1], None) if found else None
    # A resumed process starts with another random state than the one that was killed had.
    torch.manual_seed(len(found) + 1000 if found else SEED)
    fit(trainer, model, Data(), point)
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return hashlib.sha256(content.getvalue()).hexdigest(), trainer


@cache
def unbroken(accumulate: int, folder: Path) -> str:
    return train(SavePlan(folder), Store(), accumulate=accumulate)[0]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unbroken")


pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")


@pytest.mark.parametrize("batch", range(1, EPOCHS * STEPS_PER_EPOCH))
def test_a_killed_training_ends_in_the_weights_of_an_unbroken_one(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan = SavePlan(tmp_path, every_n_steps=2, keep=100)
    with pytest.raises(Killed):
        train(plan, Store(), KillAt(batch))
    weights, trainer = train(plan, Store())
    assert weights == unbroken(1, elsewhere / "1")
    assert trainer.global_step == EPOCHS * STEPS_PER_EPOCH


@pytest.mark.parametrize("batch", [3, 8, 9, 13])
def test_no_checkpoint_is_made_between_accumulated_gradients(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan = SavePlan(tmp_path, every_n_steps=1, keep=100)
    with pytest.raises(Killed):
        train(plan, Store(), KillAt(batch), accumulate=2)
    weights, _ = train(plan, Store(), accumulate=2)
    assert weights == unbroken(2, elsewhere / "2")


@pytest.mark.parametrize("batch", [0, 2, 4, 7, 9])
def test_sigterm_saves_and_commits_the_batch_that_it_came_in(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan = SavePlan(tmp_path, keep=100)
    store = Store()
    with pytest.raises(SIGTERMException):
        train(plan, store, TerminateAt(batch))
    assert store.committed[-1].step == batch + 1
    weights, _ = train(plan, store)
    assert weights == unbroken(1, elsewhere / "1")


def test_a_training_broken_three_times_ends_in_the_weights_of_an_unbroken_one(
    tmp_path: Path, elsewhere: Path
) -> None:
    plan = SavePlan(tmp_path, every_n_steps=1, keep=100)
    for batch in (2, 6, 11):
        with pytest.raises(Killed):
            train(plan, Store(), KillAt(batch))
    assert train(plan, Store())[0] == unbroken(1, elsewhere / "1")


def test_checkpoints_are_made_at_the_planned_steps_and_at_each_epochs_end(tmp_path: Path) -> None:
    store = Store()
    checkpoints = SavePlan(tmp_path / "x", every_n_steps=4, keep=100)
    train(checkpoints, store)
    saved = [int(path.stem.removeprefix("step=")) for path in local_checkpoints(tmp_path / "x")]
    assert saved == [4, 5, 8, 10, 12, 15]
    assert {item.step for item in store.committed} <= set(saved)
    assert store.committed[-1].step == 15


def test_only_an_epochs_end_carries_the_metric_that_was_measured_there(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, every_n_steps=4), store)
    assert all((item.metric is not None) == (item.step % 5 == 0) for item in store.committed)


def test_a_training_whose_last_checkpoint_is_nowhere_has_not_succeeded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotCommittedError, match="step 15 is not in W&B"):
        train(SavePlan(tmp_path), Store(refusing=True))


def test_old_local_checkpoints_go_and_the_best_stays(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, every_n_steps=1, keep=1), store)
    best = [item.path for item in store.committed if item.best]
    assert len(local_checkpoints(tmp_path)) <= 2
    assert set(local_checkpoints(tmp_path)) <= {store.committed[-1].path, *best}


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_checkpoint_is_a_load_error_of_its_version(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "step=000000004.ckpt").write_bytes(content)
    with pytest.raises(CheckpointLoadError, match=r"^v0: \w+:"):
        train(SavePlan(tmp_path), Store())


def test_a_checkpoint_of_another_network_is_a_load_error(tmp_path: Path) -> None:
    train(SavePlan(tmp_path), Store())
    newest = local_checkpoints(tmp_path)[-1]
    content = torch.load(newest, weights_only=True)
    content["state_dict"]["layers.0.weight"] = torch.zeros(2, 2)
    torch.save(content, newest)
    with pytest.raises(CheckpointLoadError, match="size mismatch"):
        train(SavePlan(tmp_path), Store())


def test_a_checkpoint_that_would_run_code_is_a_load_error(tmp_path: Path) -> None:
    torch.save({"state_dict": Store()}, tmp_path / "step=000000004.ckpt")
    with pytest.raises(CheckpointLoadError, match="Weights only load failed"):
        train(SavePlan(tmp_path), Store())


def test_an_error_of_the_training_itself_is_no_load_error(tmp_path: Path) -> None:
    train(SavePlan(tmp_path, every_n_steps=1, keep=100), Store())
    for path in local_checkpoints(tmp_path)[3:]:
        path.unlink()

    class Broken(Callback):
        def on_train_batch_start(self, *_: object) -> None:
            raise RuntimeError("size mismatch in a layer")

    with pytest.raises(RuntimeError, match="size mismatch in a layer"):
        train(SavePlan(tmp_path), Store(), Broken())
