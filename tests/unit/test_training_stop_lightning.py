"""A person's stop in W&B under Lightning: at a safe point, and nothing is lost by it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilient_training import Ending, SavePlan, StoppedByUser, StopRequest, Terminated
from tests.unit.small_training import (
    EPOCHS,
    STEPS_PER_EPOCH,
    PressAt,
    PressInValidation,
    Store,
    TerminateAt,
    TerminateInValidation,
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


def test_a_sigterm_beside_it_is_that_stop(tmp_path: Path) -> None:
    store = Store()
    ending = Ending(tmp_path / "failure")
    stop = StopRequest(ending)
    with pytest.raises(SystemExit) as left, ending:
        train(plan(tmp_path), store, PressAt(2, stop), TerminateAt(2), stop=stop)
    assert left.value.code == 66
    assert (tmp_path / "failure").read_text().startswith("StoppedByUser: in W&B; then Terminated")
    assert [saved.step for saved in store.committed] == [3]


def test_a_stop_before_the_training_begins_ends_it_there(tmp_path: Path, stop: StopRequest) -> None:
    store = Store()
    stop.ask()
    with pytest.raises(StoppedByUser, match="before the training began"):
        train(plan(tmp_path), store, stop=stop)
    assert store.committed == []


def test_sigterm_in_the_sanity_check_leaves_at_once(tmp_path: Path, stop: StopRequest) -> None:
    store = Store()
    with pytest.raises(SystemExit) as left:
        train(plan(tmp_path), store, TerminateInValidation(1), stop=stop, num_sanity_val_steps=2)
    assert left.value.code == 143
    assert store.committed == []


def test_a_stop_in_the_last_validation_of_all_leaves_the_training_done(
    tmp_path: Path, stop: StopRequest
) -> None:
    pressing = PressInValidation(2 * STEPS_PER_EPOCH + 2, stop)
    _, trainer = train(plan(tmp_path), store := Store(), pressing, stop=stop)
    assert trainer.global_step == store.committed[-1].step == LAST


def test_sigterm_in_the_last_validation_of_all_does_not_wait_for_it(
    tmp_path: Path, stop: StopRequest
) -> None:
    store = Store()
    terminating = TerminateInValidation(2 * STEPS_PER_EPOCH + 2)
    with pytest.raises(Terminated, match=f"^at step {LAST}$"):
        train(plan(tmp_path), store, terminating, stop=stop)


def test_a_stop_in_another_validation_ends_it_within_one_batch(
    tmp_path: Path, stop: StopRequest
) -> None:
    seen = PressInValidation(1, stop)
    with pytest.raises(StoppedByUser, match=f"at step {STEPS_PER_EPOCH}$"):
        train(plan(tmp_path), Store(), seen, stop=stop)
    assert seen.batch == -1
