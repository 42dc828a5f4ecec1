"""What acting has taught settles it: a successor that is there, a refusal, an obstacle."""

import pytest

from resilience.decide import policy
from resilience.decide.decisions import Checkpoint, Lookup, Policy, Reason, Succession, Verdict
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, TRAINED, V1, V2, attempt, changed, decided, ended, outcome

RELAUNCH, WAIT, STOP, IGNORE = Verdict
INFRASTRUCTURE = FailureClass.INFRASTRUCTURE
WORST = {"lookup": Lookup.UNAVAILABLE, "obstacles": ((Reason.NOT_CLONABLE, "X"),), "started": False}
TIME_HELPS = {
    FailureClass.CAPACITY: Reason.CAPACITY_UNAVAILABLE,
    FailureClass.QUOTA: Reason.QUOTA_REACHED,
    FailureClass.INFRASTRUCTURE: Reason.THROTTLED,
    FailureClass.PERMISSION: Reason.CREATE_DENIED,
}


@pytest.mark.parametrize("failure_class", TRAINED)
@pytest.mark.parametrize("more", [{}, WORST], ids=["plain", "whatever else"])
def test_a_successor_that_is_there_already_settles_it(
    failure_class: FailureClass, more: dict[str, object]
) -> None:
    facts = ended(failure_class, lineage=attempt(3), succession=Succession.OURS, **more)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (
        RELAUNCH,
        Reason.ALREADY_RELAUNCHED,
        "adjudication",
    )
    assert decision.detail == "root-r4"
    assert decision.successor is not None
    assert (decision.successor.name, decision.successor.checkpoint) == ("root-r4", None)


@pytest.mark.parametrize("more", [{}, WORST], ids=["plain", "whatever else"])
def test_a_name_that_somebody_else_has_is_for_a_person(more: dict[str, object]) -> None:
    facts = ended(INFRASTRUCTURE, V1, lineage=attempt(3), succession=Succession.FOREIGN, **more)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (STOP, Reason.NAME_TAKEN, "adjudication")
    assert decision.detail == "root-r4"


@pytest.mark.parametrize("refused", FailureClass)
@pytest.mark.parametrize("found", [(V1,), (V1, V2)], ids=["without work", "with work"])
def test_a_create_that_is_refused_waits_where_time_or_a_person_helps_and_else_stops(
    refused: FailureClass, found: tuple[Checkpoint, ...]
) -> None:
    facts = ended(INFRASTRUCTURE, *found, lineage=attempt(2), refusal=(refused, "the_rule"))
    decision = policy.decide(facts)
    waits = refused in TIME_HELPS
    expected = (WAIT, TIME_HELPS[refused]) if waits else (STOP, Reason.REQUEST_REJECTED)
    assert (*outcome(decision), decision.rule) == (*expected, "the_rule")
    if decision.due is not None:
        assert NOW < decision.due <= NOW + Policy().backoff_base_seconds


@pytest.mark.parametrize(
    "reason",
    [
        Reason.NOT_CLONABLE,
        Reason.IMAGE_NOT_ALLOWED,
        Reason.ROLE_NOT_ALLOWED,
        Reason.LIMIT_REACHED,
    ],
)
@pytest.mark.parametrize("more", [{}, {"started": False}, {"lookup": Lookup.NOT_ASKED}])
def test_an_obstacle_stops_before_anything_is_asked_or_waited_for(
    reason: Reason, more: dict[str, object]
) -> None:
    obstacles = ((reason, "which"), (Reason.NOT_CLONABLE, "another"))
    facts = changed(ended(FailureClass.CAPACITY, V1, obstacles=obstacles), **more)
    assert not policy.needs_checkpoints(facts)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.detail) == (STOP, reason, "which")
    assert decision.rule == str(reason)


def test_a_refusal_says_more_than_an_obstacle() -> None:
    found = decided(
        INFRASTRUCTURE,
        V1,
        refusal=(FailureClass.QUOTA, "rule"),
        obstacles=((Reason.NOT_CLONABLE, "X"),),
    )
    assert found == (WAIT, Reason.QUOTA_REACHED)
