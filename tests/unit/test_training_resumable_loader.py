"""A plain loop is given the rest of the epoch, with the randomness of its steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from resilient_training import ResumableLoader
from tests.unit.small_loaders import Augmented, Stateful, exactly

SIZE, BATCH, EPOCHS = 18, 4, 3

LOADERS: dict[str, Callable[[], Any]] = {
    "own": lambda: DataLoader(Augmented(SIZE), BATCH, shuffle=True),
    "a stream": lambda: DataLoader(Stateful(SIZE), BATCH),
    "accelerate": lambda: Accelerator(cpu=True).prepare(
        DataLoader(Augmented(SIZE), BATCH, shuffle=True)
    ),
    "accelerate, a stream": lambda: Accelerator(cpu=True).prepare(
        DataLoader(Stateful(SIZE), BATCH)
    ),
}


def trained(
    make: Callable[[], Any], stop: int | None = None, state: dict[str, Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """What each step sees and draws, up to step number `stop`, and the state behind it."""
    torch.manual_seed(0)
    data = ResumableLoader[Any](make(), seed=1)
    if state is not None:
        data.load_state_dict(state)
    steps: list[Any] = []
    while data.epoch < EPOCHS:
        for batch in data:
            steps.append((data.epoch, data.ends_epoch, exactly(batch), torch.rand(2).tolist()))
            if len(steps) == stop:
                return steps, data.state_dict()
    return steps, data.state_dict()


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("stop", [1, 4, 5, 8])
def test_a_loop_that_is_broken_off_sees_and_draws_what_an_unbroken_one_does(
    name: str, stop: int
) -> None:
    before, state = trained(LOADERS[name], stop)
    after, _ = trained(LOADERS[name], state=state)
    assert before + after == trained(LOADERS[name])[0]


def test_it_knows_the_last_batch_of_an_epoch() -> None:
    steps, _ = trained(LOADERS["own"])
    assert [ends for _, ends, _, _ in steps] == [False, False, False, False, True] * EPOCHS


def test_behind_the_last_batch_of_an_epoch_the_next_begins() -> None:
    _, state = trained(LOADERS["own"], 5)
    assert (state["epoch"], state["batches"]) == (1, 0)


@pytest.mark.parametrize("name", LOADERS)
def test_its_state_is_of_plain_values(name: str, tmp_path: Path) -> None:
    _, state = trained(LOADERS[name], 3)
    torch.save(state, tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == state
