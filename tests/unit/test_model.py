"""The protocol's model: whole it breaks nothing, and each element is there for something."""

import pytest

from proofs.model.__main__ import main
from proofs.model.checker import Walk, found_in, walk
from proofs.model.claims import ASSUMPTIONS, ELEMENTS, INVARIANTS, WHOLE, WORLDS, Removal
from proofs.model.protocol import initial, moves
from proofs.model.states import Extent, Protocol, Status, Tag

# The largest are walked by `make model`; "2 attempts" is `whole`.
ELSEWHERE = {
    *("2 attempts, all of that", "2 attempts, the fleet breaker opens and closes"),
    *("3 attempts", "2 attempts"),
}


@pytest.fixture(scope="module")
def whole() -> Walk:
    return walk(WHOLE, Extent())


def test_the_whole_protocol_breaks_nothing_in_any_state(whole: Walk) -> None:
    assert whole.broken == {}
    assert len(whole.came_from) > 10_000


@pytest.mark.parametrize("name", sorted(WORLDS.keys() - ELSEWHERE))
def test_it_breaks_nothing_whatever_else_there_is_in_its_world(name: str) -> None:
    assert found_in(WHOLE, WORLDS[name]).broken == {}


def test_after_the_last_fault_two_sweeps_see_every_ended_job_through(whole: Walk) -> None:
    assert whole.sweeps == 2


@pytest.mark.parametrize("removal", [*ELEMENTS, *ASSUMPTIONS], ids=lambda one: one.what)
def test_without_one_element_or_assumption_something_breaks(removal: Removal) -> None:
    found = walk(removal.protocol, removal.extent, until=removal.breaks)
    assert found.broken[removal.breaks], INVARIANTS[removal.breaks]


def test_every_element_and_assumption_has_been_taken_out_once() -> None:
    removed = [
        name
        for removal in (*ELEMENTS, *ASSUMPTIONS)
        for name in Protocol.__slots__
        if not getattr(removal.protocol, name)
    ]
    assert sorted(removed) == sorted(Protocol.__slots__)


def test_a_way_to_a_broken_invariant_can_be_walked_step_by_step() -> None:
    removal = ELEMENTS[0]
    trace = walk(removal.protocol, removal.extent, until=removal.breaks).broken[removal.breaks]
    states = set(initial(removal.extent))
    for label in trace:
        states = {
            m.state
            for s in states
            for m in moves(s, removal.protocol, removal.extent)
            if m.label == label
        }
        assert states
    assert any(job.accepted > 1 for state in states for job in state.jobs)


def test_the_model_reaches_every_end_and_every_verdict_on_a_failed_job(whole: Walk) -> None:
    jobs = {job for state in whole.came_from for job in state.jobs}
    assert {job.status for job in jobs} == set(Status)
    assert {job.tag for job in jobs if job.status is Status.FAILED} == set(Tag) - {Tag.IGNORE}


def test_the_command_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--attempts", "9"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
