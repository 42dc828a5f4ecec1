"""The matrix and the model cannot drift apart: every history is a way through the model."""

from dataclasses import replace

import pytest

from proofs.matrix.cells import judge, record_of
from proofs.matrix.faults import Fault
from proofs.matrix.replay import Assumed, of_history
from proofs.matrix.retelling import Asked, Does, Event, Happens, retold
from proofs.matrix.run import Cell, runs_of
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import Step
from tests.matrix.mutants import MUTANTS

LOST = Cell(Step.CREATE, Fault.LOST_RESPONSE, Situation.SINGLE)
# Mutants that take another way; the others take the same one, and report it otherwise.
ANOTHER_WAY = {
    "recorded nothing",
    "acknowledged though not recorded",
    "a refused create taken for done",
    "ours taken for another's",
    "no verdict on what a person stopped",
}


@pytest.fixture
def lost(connections: Connections) -> tuple[Event, ...]:
    """A create whose answer was lost, and all that came of it."""
    (run,) = runs_of(LOST, connections)
    return retold(record_of(run))


def test_a_history_is_a_way_through_the_model(lost: tuple[Event, ...]) -> None:
    assert of_history(lost, Assumed()) is None
    assert sum(isinstance(one, Does) for one in lost) >= 3


@pytest.mark.parametrize("place", [0, 2], ids=["created", "recorded"])
def test_a_history_without_one_of_its_effects_is_none(place: int, lost: tuple[Event, ...]) -> None:
    effects = [one for one in lost if isinstance(one, Does)]
    without = tuple(one for one in lost if one is not effects[place])
    assert of_history(without, Assumed()) is not None


def test_a_history_with_an_effect_too_many_is_none(lost: tuple[Event, ...]) -> None:
    for one in lost:
        if isinstance(one, Does):
            again = tuple(other for at in lost for other in ([at, at] if at is one else [at]))
            assert of_history(again, Assumed()) is not None


def test_a_sweep_that_asks_for_what_has_its_verdict_is_none(lost: tuple[Event, ...]) -> None:
    assert of_history((*lost, Asked((0,))), Assumed()) is not None


def test_a_job_that_a_person_stopped_comes_back_in_no_history(lost: tuple[Event, ...]) -> None:
    stopped = tuple(
        replace(one, label="job 0 is stopped by a person") if one == _FAILS else one for one in lost
    )
    assert of_history(stopped, Assumed()) is not None


_FAILS = Happens("job 0 fails")


@pytest.mark.parametrize("name", sorted(ANOTHER_WAY))
def test_a_mutant_that_takes_another_way_is_not_the_model(
    name: str, monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    (mutant,) = (one for one in MUTANTS if one.what == name)
    mutant.installed(monkeypatch)
    assert any(text.startswith("model: ") for text in mutant.run(connections))


def test_a_cell_whose_history_the_model_does_not_know_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    monkeypatch.setattr("proofs.matrix.replay.of_history", lambda *_: "not one")
    assert judge(LOST, connections).violated == ("model: not one",)
