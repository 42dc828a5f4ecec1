"""What cannot be resumed is refused before the first step; what will differ is said."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from typing_extensions import override

from resilient_training import SavePlan
from resilient_training.lightning.refusals import UnsupportedTrainingError, refuse
from tests.unit.lightning_variants import NeverInStep, OwnAccumulation
from tests.unit.small_training import (
    BATCH,
    Augmented,
    Data,
    EachSave,
    Network,
    Run,
    Store,
    attempt_of,
    train,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec",
    "ignore:.*dataloader_iter",
)


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def quick_trainer(*callbacks: Callback) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


def sharded() -> Trainer:
    return Trainer(accelerator="cpu", devices=2, strategy=ModelParallelStrategy(), logger=False)


def of_two_machines() -> Trainer:
    return Trainer(accelerator="cpu", num_nodes=2, logger=False)


def spawning() -> Trainer:
    return Trainer(accelerator="cpu", devices=2, strategy="ddp_spawn", logger=False)


def with_loops_of_its_own() -> Trainer:
    trainer = Trainer(accelerator="cpu", logger=False)
    trainer.fit_loop = trainer.validate_loop  # type: ignore[assignment]
    return trainer


@pytest.mark.parametrize(
    ("trainer", "remedy"),
    [
        (sharded, "save_distributed_checkpoint=False"),
        (of_two_machines, "the processes of one"),
        (spawning, r"Trainer\(strategy='ddp'\)"),
        (with_loops_of_its_own, "attempt.fit has its own"),
    ],
)
def test_what_no_single_file_holds_is_refused_with_the_remedy(
    trainer: Callable[[], Trainer], remedy: str
) -> None:
    with pytest.raises(UnsupportedTrainingError, match=remedy):
        refuse(trainer())


def test_the_same_strategy_with_one_file_is_not_refused() -> None:
    strategy = ModelParallelStrategy(save_distributed_checkpoint=False)
    refuse(Trainer(accelerator="cpu", devices=2, strategy=strategy, logger=False))


def test_a_second_fit_in_the_block_is_refused(tmp_path: Path) -> None:
    attempt = attempt_of(SavePlan(tmp_path), Store())
    attempt.fit(quick_trainer(), Network(), Data())
    with pytest.raises(UnsupportedTrainingError, match="one fit"):
        attempt.fit(quick_trainer(), Network(), Data())


def differs(run: Run) -> list[str]:
    lines: list[str] = run.config.get("resilience_differs", [])
    return lines


def test_a_training_that_is_exact_says_nothing(tmp_path: Path) -> None:
    train(SavePlan(tmp_path), Store(), run=(run := Run()))
    assert differs(run) == []


class TakesAhead(Network):
    @override
    def training_step(self, dataloader_iter: Iterator[tuple[Tensor, int, int]]) -> Tensor:  # type: ignore[override]
        batch, _, _ = next(dataloader_iter)
        return self.loss(batch)


def test_what_takes_batches_ahead_says_so(tmp_path: Path) -> None:
    train(SavePlan(tmp_path), Store(), run=(run := Run()), make=TakesAhead, max_epochs=1)
    assert [line for line in differs(run) if "dataloader_iter" in line]


def test_what_goes_by_the_clock_says_so(tmp_path: Path) -> None:
    options: dict[str, Any] = {"val_check_interval": {"hours": 1}, "max_epochs": 1}
    train(SavePlan(tmp_path), Store(), run=(run := Run()), **options)
    assert [line for line in differs(run) if "by the clock" in line]


def test_a_scheduled_save_waits_for_accumulated_gradients_whoever_accumulates_them(
    tmp_path: Path,
) -> None:
    store = Store()
    plan = SavePlan(tmp_path, every_n_steps=1)
    # A validation clears all gradients.
    options: dict[str, Any] = {"max_epochs": 1, "limit_val_batches": 0}
    train(plan, store, make=OwnAccumulation, checkpointer=EachSave, **options)
    states = [torch.load(saved.path, weights_only=True) for saved in store.committed]
    made = [one["loops"]["fit_loop"]["epoch_loop.batch_progress"] for one in states]
    # Batch 3 of 5 makes a step. The epoch's end cannot wait, and takes the gradients along.
    assert [progress["current"]["ready"] for progress in made] == [3, 5]
    gradients = [one["resilient_training"]["gradients"] for one in states]
    assert [bool(held) for held in gradients] == [False, True]


class NeverSteps(NeverInStep):
    every = 10_000


class Hurry(Callback):
    """Lets a save be due by time from now on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    @override
    def on_train_batch_start(self, *_: object, **__: object) -> None:
        self.now += 60


def test_gradients_that_are_never_used_are_not_waited_for_for_ever(tmp_path: Path) -> None:
    store, clock = Store(), Hurry()
    attempt = attempt_of(SavePlan(tmp_path, every_minutes=1), store, checkpointer=EachSave)
    attempt.checkpoints.clock = clock
    trainer = quick_trainer(clock)
    data: torch.utils.data.DataLoader[Tensor] = torch.utils.data.DataLoader(
        torch.utils.data.ConcatDataset([Augmented()] * 40), batch_size=BATCH
    )
    attempt.fit(trainer, NeverSteps(), data, Data().val_dataloader())
    first = torch.load(store.committed[0].path, weights_only=True)
    progress = first["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert 128 <= progress["current"]["ready"] <= 130
    assert first["resilient_training"]["gradients"]
