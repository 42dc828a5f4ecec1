"""A training that is broken off and resumed ends in the very bytes of one that was not."""

from functools import cache
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from resilient_training import SavePlan
from tests.unit.small_training import (
    EPOCHS,
    STEPS_PER_EPOCH,
    KillAt,
    Killed,
    Store,
    TerminateAt,
    train,
)


@cache
def unbroken(accumulate: int, folder: Path) -> str:
    return train(SavePlan(folder), Store(), accumulate_grad_batches=accumulate)[0]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unbroken")


pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")


@pytest.mark.parametrize("batch", range(1, EPOCHS * STEPS_PER_EPOCH))
def test_a_killed_training_ends_in_the_weights_of_an_unbroken_one(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan, store = SavePlan(tmp_path, every_n_steps=2), Store()
    with pytest.raises(Killed):
        train(plan, store, KillAt(batch))
    weights, trainer = train(plan, store)
    assert weights == unbroken(1, elsewhere / "1")
    assert trainer.global_step == EPOCHS * STEPS_PER_EPOCH


@pytest.mark.parametrize("batch", [3, 8, 9, 13])
def test_no_checkpoint_is_made_between_accumulated_gradients(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan, store = SavePlan(tmp_path, every_n_steps=1), Store()
    with pytest.raises(Killed):
        train(plan, store, KillAt(batch), accumulate_grad_batches=2)
    weights, _ = train(plan, store, accumulate_grad_batches=2)
    assert weights == unbroken(2, elsewhere / "2")


@pytest.mark.parametrize("batch", [0, 2, 4, 7, 9])
def test_sigterm_saves_and_commits_the_batch_that_it_came_in(
    batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    plan, store = SavePlan(tmp_path), Store()
    with pytest.raises(SIGTERMException):
        train(plan, store, TerminateAt(batch))
    assert store.committed[-1].step == batch + 1
    weights, _ = train(plan, store)
    assert weights == unbroken(1, elsewhere / "1")


def test_a_training_broken_three_times_ends_in_the_weights_of_an_unbroken_one(
    tmp_path: Path, elsewhere: Path
) -> None:
    plan, store = SavePlan(tmp_path, every_n_steps=1), Store()
    for batch in (2, 6, 11):
        with pytest.raises(Killed):
            train(plan, store, KillAt(batch))
    assert train(plan, store)[0] == unbroken(1, elsewhere / "1")
