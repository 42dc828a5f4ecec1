"""A training that is broken off and resumed is the very training of one that was not.

An unbroken one keeps a checkpoint of each moment at which it may be saved. Whatever kills a
training, it goes on from one of them.
"""

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from resilient_training import SavePlan, Terminated
from resilient_training.lightning.moments import Moment
from tests.unit.lightning_variants import VARIANTS
from tests.unit.small_training import (
    EPOCHS,
    STEPS_PER_EPOCH,
    EachSave,
    KillAt,
    Killed,
    Run,
    Store,
    TerminateAt,
    TerminateInValidation,
    train,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec",
    "ignore:.*smaller than the logging interval",
    "ignore:.*ReduceLROnPlateau conditioned on metric",
    "ignore:.*sync_dist=True",
)


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unbroken")


@dataclass(frozen=True)
class Trained:
    """What is left of a training: its rows, and its last checkpoint, which holds all the rest."""

    rows: dict[int, dict[str, Any]]
    state: dict[str, Any]


def fit(variant: str, folder: Path, store: Store, *breaking: Callback, every: int = 1) -> Trained:
    kind, run = VARIANTS[variant], Run()
    plan = SavePlan(folder, every_n_steps=every)
    callbacks = kind.callbacks()
    train(
        plan,
        store,
        *breaking,
        run=run,
        make=kind.make,
        checkpointer=EachSave,
        callbacks=callbacks,
        **kind.options,
    )
    state = torch.load(store.committed[-1].path, weights_only=True)
    # Which pass over the data was begun last: none, in a process that trained no further epoch.
    del state["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    return Trained(run.steps, state)


@cache
def unbroken(variant: str, folder: Path) -> tuple[Trained, Store]:
    store = Store()
    return fit(variant, folder / variant, store), store


def is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - tensors and plain values
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def assert_same(one: Trained, whole: Trained) -> None:
    assert one.rows == whole.rows
    for part in whole.state:
        if part != "callbacks":
            assert is_same(one.state[part], whole.state[part]), part
    for name, state in whole.state["callbacks"].items():
        if name != "Timer":
            assert is_same(one.state["callbacks"][name], state), name


def moments(store: Store) -> list[tuple[int, str]]:
    states = [torch.load(saved.path, weights_only=True) for saved in store.committed]
    return [(state["global_step"], state["resilient_training"]["moment"]) for state in states]


@pytest.mark.parametrize("variant", VARIANTS)
def test_from_each_checkpoint_a_training_goes_on_to_what_an_unbroken_one_leaves(
    variant: str, tmp_path: Path, elsewhere: Path
) -> None:
    whole, made = unbroken(variant, elsewhere)
    for place in [*range(1, len(made.committed) - 1, 1 if variant == "plain" else 3), -1]:
        store = Store(committed=made.committed[place : place + 1 or None])
        again = fit(variant, tmp_path / str(place), store)
        assert_same(again, whole)


def test_it_is_saved_when_a_batch_and_when_a_step_and_when_an_epoch_is_done(
    elsewhere: Path,
) -> None:
    _, made = unbroken("plain", elsewhere)
    per_epoch = [(step, Moment.STEP) for step in range(1, 5)]
    per_epoch += [(5, Moment.BATCH), (5, Moment.EPOCH)]
    assert moments(made)[:6] == per_epoch
    assert len(made.committed) == EPOCHS * 6


@pytest.mark.parametrize("batch", range(EPOCHS * STEPS_PER_EPOCH))
def test_sigterm_in_a_batch_loses_nothing(batch: int, tmp_path: Path, elsewhere: Path) -> None:
    store = Store()
    with pytest.raises(Terminated, match=f"^at step {batch + 1}$"):
        fit("plain", tmp_path, store, TerminateAt(batch), every=100)
    assert [saved.step for saved in store.committed][-1] == batch + 1
    assert_same(fit("plain", tmp_path, store), unbroken("plain", elsewhere)[0])


@pytest.mark.parametrize(
    ("variant", "batches"),
    [
        ("plain", range(14)),
        ("plateau by epoch, early stop", [2, 6, 7, 9]),
        ("early stop", [0, 5, 7]),
        ("early stop in mid-epoch", [0, 4, 11]),
        ("plateau by step", [3, 9, 13]),
        ("averaged weights", [1, 8]),
        ("averages of an epoch, validated between", [3, 11]),
        ("torchmetrics", [2, 7]),
        ("validation in mid-epoch", [2, 8, 11]),
        ("own accumulation, validated between", [3, 8, 12]),
        ("accumulate and validate between", [1, 7]),
        ("max_steps in mid-epoch", [1]),
    ],
)
def test_sigterm_in_a_validation_has_the_whole_of_it_made_after_the_resume(
    variant: str, batches: Iterable[int], tmp_path: Path, elsewhere: Path
) -> None:
    whole, _ = unbroken(variant, elsewhere)
    for batch in batches:
        store = Store()
        folder = tmp_path / str(batch)
        with pytest.raises(Terminated):
            fit(variant, folder, store, TerminateInValidation(batch), every=100)
        # In its last batch it is made anyhow.
        assert moments(store)[-1][1] == (Moment.BATCH if (batch + 1) % 5 else Moment.STEP)
        assert_same(fit(variant, folder, store), whole)


@pytest.mark.parametrize(
    "variant", ["early stop", "early stop in mid-epoch", "averages of an epoch"]
)
@pytest.mark.parametrize("batch", [3, 5, 7])
def test_a_kill_between_two_saves_only_repeats_what_was_done(
    variant: str, batch: int, tmp_path: Path, elsewhere: Path
) -> None:
    store = Store()
    with pytest.raises(Killed):
        fit(variant, tmp_path, store, KillAt(batch), every=2)
    assert_same(fit(variant, tmp_path, store), unbroken(variant, elsewhere)[0])


def test_a_training_broken_four_times_is_still_the_same(tmp_path: Path, elsewhere: Path) -> None:
    store, kind = Store(), "averages of an epoch, validated between"
    for breaking in (KillAt(2), TerminateInValidation(6), KillAt(9), TerminateAt(11)):
        with pytest.raises((Killed, Terminated)):
            fit(kind, tmp_path, store, breaking, every=2)
    assert_same(fit(kind, tmp_path, store), unbroken(kind, elsewhere)[0])
