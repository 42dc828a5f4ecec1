from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from resilient_training import HealthyLoss, LossDiverged, LossHistory, LossWatch, SavePlan
from resilient_training.ending import failure_text
from tests.unit.small_training import Store, train

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")

STEADY = deque([1.0, 1.1, 0.9, 1.05, 0.95] * 5)


@dataclass
class Spoil(Callback):
    """Makes the weights useless while the batch is trained on that makes them those of `step`."""

    step: int

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object
    ) -> None:
        if trainer.global_step == self.step:
            for weights in pl_module.parameters():
                torch.nn.init.constant_(weights, float("nan"))


@dataclass
class BarringStore(Store):
    """Bars its checkpoints by their steps."""

    excluded: list[int] = field(default_factory=list)

    @override
    def bar_after(self, step: int) -> list[str]:
        self.excluded = [saved.step for saved in self.committed if saved.step > step]
        return [f"v{place}" for place, saved in enumerate(self.committed) if saved.step > step]


def diverged(plan: SavePlan, store: Store, step: int) -> str:
    with pytest.raises(LossDiverged) as raised:
        train(plan, store, Spoil(step), watch=HealthyLoss())
    return failure_text(raised.value)


@pytest.mark.parametrize("step", [1, 4, 5, 7])
def test_a_loss_that_is_not_finite_ends_the_attempt_and_bars_what_came_after_the_last_healthy(
    step: int, tmp_path: Path
) -> None:
    store = BarringStore()
    message = diverged(SavePlan(tmp_path, every_n_steps=1), store, step)
    assert message.startswith(f"LossDiverged: the loss at step {step} is nan; ")
    assert f"healthy up to step {step - 1}; suspect: " in message
    # The last of an epoch has two: before its validation, and when the epoch is done.
    assert set(store.excluded) == {step}
    assert max(saved.step for saved in store.committed) == step


def test_without_a_checkpoint_since_there_is_no_suspect(tmp_path: Path) -> None:
    store = BarringStore()
    assert diverged(SavePlan(tmp_path), store, 3).endswith("healthy up to step 2; suspect: none")
    assert store.committed == []


def test_a_spoilt_checkpoint_that_was_resumed_from_is_barred_itself(tmp_path: Path) -> None:
    store = BarringStore()
    with pytest.raises(LossDiverged):
        train(SavePlan(tmp_path, every_n_steps=1), store, Spoil(7), watch=HealthyLoss())
    message = diverged(SavePlan(tmp_path, every_n_steps=1), store, 99)
    assert "the loss at step 7 is nan; healthy up to step 6" in message
    assert store.excluded == [7]


def test_a_healthy_training_is_the_same_with_and_without_a_watch(tmp_path: Path) -> None:
    watched, _ = train(SavePlan(tmp_path / "1"), Store(), watch=HealthyLoss(factor=1000))
    assert watched == train(SavePlan(tmp_path / "2"), Store())[0]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_never_healthy(loss: float) -> None:
    assert HealthyLoss().fault(loss, deque()) == str(loss)


def test_without_a_factor_any_finite_loss_is_healthy() -> None:
    assert HealthyLoss().fault(1e30, STEADY) is None


def test_a_loss_far_above_the_spread_of_those_before_is_told_with_both() -> None:
    healthy = HealthyLoss(factor=10)
    assert healthy.fault(1.4, STEADY) is None
    assert healthy.fault(1.6, STEADY) == "1.6, median 1 and spread 0.05 before it"


def test_a_few_losses_are_no_measure_of_others() -> None:
    assert HealthyLoss(factor=10).fault(1000, deque([1.0] * 19)) is None


def test_a_spike_is_no_divergence_and_too_many_in_a_row_are(tmp_path: Path) -> None:
    store = Store()
    _, trainer = train(SavePlan(tmp_path), store)
    watch = LossWatch(LossHistory(HealthyLoss(factor=10, patience=3), store.bar_after))
    watch.load_state_dict({"losses": list(STEADY)})

    def see(*losses: float) -> None:
        for loss in losses:
            watch.on_train_batch_end(
                trainer, trainer.lightning_module, {"loss": torch.tensor(loss)}, None, 0
            )

    see(50.0, 50.0, 1.0, 50.0, 50.0)
    with pytest.raises(LossDiverged, match=r"is 50, median 1 and spread 0\.05 before it"):
        see(50.0)
