"""A person's stop in W&B under Lightning: at a safe point, and nothing is lost by it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilient_training import Ending, GracefulStop, SavePlan, StoppedByUser, StopRequest
from tests.unit.small_training import (
    EPOCHS,
    STEPS_PER_EPOCH,
    PressAt,
    Store,
    TerminateAt,
    train,
)

LAST = EPOCHS * STEPS_PER_EPOCH


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def stop(tmp_path: Path) -> StopRequest:
    return StopRequest(Ending(tmp_path / "failure"))


def plan(folder: Path) -> SavePlan:
    return SavePlan(folder / "checkpoints")


@pytest.mark.parametrize(
    ("batch", "step"),
    [(0, 1), (2, 3), (STEPS_PER_EPOCH - 1, STEPS_PER_EPOCH), (LAST - 2, LAST - 1)],
)
def test_a_stop_saves_after_its_step_and_whoever_goes_on_by_hand_loses_nothing(
    batch: int, step: int, tmp_path: Path, stop: StopRequest
) -> None:
    whole, _ = train(plan(tmp_path / "whole"), Store())
    store = Store()
    with pytest.raises(StoppedByUser, match=f"^in W&B, at step {step}$"):
        train(plan(tmp_path), store, PressAt(batch, stop), stop=stop)
    assert [saved.step for saved in store.committed][-1] == step
    resumed, trainer = train(plan(tmp_path), store)
    assert trainer.global_step == LAST
    assert resumed == whole


def test_a_stop_in_the_last_step_of_all_leaves_the_training_done(
    tmp_path: Path, stop: StopRequest
) -> None:
    _, trainer = train(plan(tmp_path), store := Store(), PressAt(LAST - 1, stop), stop=stop)
    assert trainer.global_step == store.committed[-1].step == LAST


def test_a_stop_in_the_last_step_of_max_steps_leaves_the_training_done(
    tmp_path: Path, stop: StopRequest
) -> None:
    _, trainer = train(plan(tmp_path), store := Store(), PressAt(2, stop), stop=stop, max_steps=3)
    assert trainer.global_step == store.committed[-1].step == 3


def test_a_stop_in_the_middle_of_accumulated_gradients_waits_for_the_step(
    tmp_path: Path, stop: StopRequest
) -> None:
    store = Store()
    with pytest.raises(StoppedByUser, match=r"at step 1$"):
        train(plan(tmp_path), store, PressAt(0, stop), stop=stop, accumulate_grad_batches=2)
    assert [saved.step for saved in store.committed] == [1]


def test_a_sigterm_beside_it_leaves_at_once_and_is_that_stop(tmp_path: Path) -> None:
    store = Store()
    ending = Ending(tmp_path / "failure")
    stop = GracefulStop(ending)
    breaking = (stop, PressAt(2, stop), TerminateAt(2))
    with pytest.raises(SystemExit) as left, ending:
        train(plan(tmp_path), store, *breaking, stop=stop)
    assert left.value.code == 66
    assert (tmp_path / "failure").read_text().startswith("StoppedByUser: in W&B; then SIGTERM")
    assert [saved.step for saved in store.committed] == [3]


def test_a_stop_before_the_training_begins_is_heeded_after_its_first_step(
    tmp_path: Path, stop: StopRequest
) -> None:
    store = Store()
    stop.ask()
    with pytest.raises(StoppedByUser, match=r"at step 1$"):
        train(plan(tmp_path), store, stop=stop)
    assert [saved.step for saved in store.committed] == [1]
