"""Which checkpoint is the best, and the person's own ModelCheckpoint over a resume."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from resilient_training import SavePlan
from resilient_training.checkpoints.metadata import Metric
from tests.unit.small_training import (
    Augmented,
    EachSave,
    KillAt,
    Killed,
    Network,
    Store,
    train,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec",
    "ignore:Checkpoint directory .* exists and is not empty",
)

VALUES = [3.0, 1.0, 2.0, 5.0, 0.5, 4.0]


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Foretold(Network):
    """Its validations measure what is written above, one value each."""

    @override
    def validation_step(self, batch: Tensor) -> None:
        number = self.trainer.global_step * len(VALUES) // 15 - 1
        self.log("val_loss", VALUES[max(number, 0)])
        self.log("val_score", VALUES[max(number, 0)])

    @override
    def test_step(self, batch: Tensor) -> None:
        self.log("test_sum", sum(one.sum() for one in self.layers.parameters()))


def best_steps(store: Store) -> list[int]:
    return [saved.step for saved in store.committed if saved.best]


def fit(folder: Path, store: Store, *callbacks: Callback, **more: Any) -> Trainer:  # noqa: ANN401 - the Trainer's own
    plan = SavePlan(folder, monitor=more.pop("monitor", None), every_n_steps=more.pop("every", 0))
    options = {"enable_checkpointing": True, **more}
    _, trainer = train(plan, store, *callbacks, make=Foretold, checkpointer=EachSave, **options)
    return trainer


def test_the_best_of_a_mid_epoch_validation_is_saved_at_once(tmp_path: Path) -> None:
    fit(tmp_path, store := Store(), val_check_interval=1, enable_checkpointing=False)
    # The values change after steps 5, 8 (1 to 2), 10, 13 (0.5) and 15.
    assert best_steps(store) == [1, 5, 13]
    assert [saved.metric for saved in store.committed if saved.best][-1] == Metric("val_loss", 0.5)


@pytest.mark.parametrize(
    "callback",
    [
        lambda folder: ModelCheckpoint(folder, monitor="val_score", mode="max"),
        lambda _: EarlyStopping("val_score", mode="max", patience=9),
    ],
)
def test_the_monitor_of_a_persons_own_callback_says_what_is_best(
    callback: Any,  # noqa: ANN401 - one of the two
    tmp_path: Path,
) -> None:
    own = callback(tmp_path / "own")
    only = not isinstance(own, ModelCheckpoint)
    fit(tmp_path / "c", store := Store(), own, enable_checkpointing=not only)
    assert best_steps(store) == [5, 10]
    assert store.committed[-1].metric == Metric("val_score", 4.0)


def test_the_plans_own_monitor_comes_before_it(tmp_path: Path) -> None:
    own = EarlyStopping("val_score", mode="max", patience=9)
    fit(tmp_path, store := Store(), own, monitor="val_loss", enable_checkpointing=False)
    assert store.committed[-1].metric == Metric("val_loss", 4.0)


def test_a_value_that_was_measured_on_another_state_is_of_no_checkpoint(tmp_path: Path) -> None:
    fit(tmp_path, store := Store(), check_val_every_n_epoch=2, enable_checkpointing=False)
    assert [saved.step for saved in store.committed if saved.metric] == [10]


class NoNumber(Network):
    @override
    def validation_step(self, batch: Tensor) -> None:
        self.log("val_loss", float("nan") if self.trainer.global_step == 5 else 1.0)


def test_what_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    train(SavePlan(tmp_path), store := Store(), make=NoNumber, checkpointer=EachSave)
    assert best_steps(store) == [10]


def checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, monitor="val_loss", filename="{step}", save_top_k=2)


def test_a_model_checkpoint_goes_on_on_a_machine_without_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.test_training_lightning_best.VALUES", [1, 1, 2, 2, 3, 3])
    store, folder = Store(), tmp_path / "own"
    with pytest.raises(Killed):
        fit(tmp_path / "c", store, checkpoint(folder), KillAt(9), every=2)
    shutil.rmtree(folder)
    own = checkpoint(folder)
    trainer = fit(tmp_path / "c", store, own)
    assert own.best_model_score == 1
    assert own.best_model_path == str(folder / "step=5.ckpt")
    weights = torch.load(own.best_model_path, weights_only=True)["state_dict"]
    (measured,) = trainer.test(dataloaders=DataLoader(Augmented()), ckpt_path="best", verbose=False)
    total = sum(one.sum() for name, one in weights.items() if name.startswith("layers"))
    assert measured["test_sum"] == pytest.approx(float(total), abs=1e-4)


def test_a_best_checkpoint_that_is_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Store, "best", lambda *_: None)
    monkeypatch.setattr("tests.unit.test_training_lightning_best.VALUES", [1, 1, 2, 2, 3, 3])
    store, folder = Store(), tmp_path / "own"
    with pytest.raises(Killed):
        fit(tmp_path / "c", store, checkpoint(folder), KillAt(9), every=2)
    shutil.rmtree(folder)
    fit(tmp_path / "c", store, checkpoint(folder))
    assert "step=5.ckpt is not on this machine: W&B has none with the alias best" in caplog.text


def test_under_a_logger_of_a_new_version_each_time_the_folder_is_the_same(tmp_path: Path) -> None:
    def folder(run: int) -> str:
        own, logger = ModelCheckpoint(), CSVLogger(tmp_path)
        where = tmp_path / f"c{run}"
        fit(where, Store(), own, logger=logger, default_root_dir=tmp_path, max_epochs=1)
        return str(own.dirpath)

    assert folder(1) == folder(2) == str(tmp_path / "checkpoints" / "small")
