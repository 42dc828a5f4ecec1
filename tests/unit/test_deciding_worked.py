"""Attempts that worked, or died of something outside: they go on."""

from dataclasses import replace

import pytest

from resilience.decide import policy
from resilience.decide.decisions import (
    Lineage,
    Policy,
    Reason,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import (
    FIRST,
    NOW,
    OUTSIDE,
    PLACE,
    TRAINED,
    V1,
    V2,
    V3,
    attempt,
    checkpoint,
    decided,
    ended,
    outcome,
    succeeded,
    waits,
)

RELAUNCH, WAIT, STOP, IGNORE = Verdict
HOPELESS = attempt(
    5, unpaid=50, without_work=9, lost_seconds=10**7, same=9, place=PLACE, best=10, seen=1
)


@pytest.mark.parametrize("failure_class", TRAINED)
@pytest.mark.parametrize("lineage", [FIRST, attempt(2), HOPELESS], ids=["first", "second", "late"])
def test_an_attempt_that_advanced_goes_on_at_once_whatever_its_text_says(
    failure_class: FailureClass, lineage: Lineage
) -> None:
    facts = replace(ended(failure_class, V1, V2, V3), lineage=lineage)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (
        RELAUNCH,
        Reason.RESUMED_FROM_CHECKPOINT,
        "some_rule",
    )
    assert succeeded(facts).checkpoint == V3


def test_a_job_that_allows_no_attempt_without_work_goes_on_while_it_works() -> None:
    strict = Policy(max_without_work=0, max_lost_seconds=0)
    found = decided(FailureClass.USER_CODE, V1, V2, lineage=attempt(2), policy=strict)
    assert found == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_its_successor_bears_its_name_and_all_that_it_has_learnt() -> None:
    found = succeeded(ended(FailureClass.USER_CODE, V1, V2, lineage=attempt(2), created_at=77))
    assert (found.name, found.root, found.parent, found.attempt) == (
        "root-r3",
        "root",
        "root-r2",
        3,
    )
    assert (found.parent_created, found.waiting, found.diverged) == (77, None, False)
    assert (found.ledger.best, found.ledger.seen, found.rejected) == (20, 2, ())


def test_the_next_attempt_measures_from_the_newest_version_that_was_there() -> None:
    behind = checkpoint("v7", 5)
    found = succeeded(ended(FailureClass.INFRASTRUCTURE, V1, V2, behind))
    assert (found.checkpoint, found.ledger.seen) == (V2, 7)


@pytest.mark.parametrize("failure_class", OUTSIDE)
def test_the_first_death_of_the_outside_is_tried_again_at_once(
    failure_class: FailureClass,
) -> None:
    facts = ended(failure_class, V1, lineage=attempt(2))
    assert outcome(policy.decide(facts)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert succeeded(facts).waiting == Waiting(0, NOW)


@pytest.mark.parametrize("failure_class", OUTSIDE)
def test_the_next_one_waits_and_backs_off(failure_class: FailureClass) -> None:
    lineage = attempt(3, waiting=Waiting(0, NOW - 700))
    facts = ended(failure_class, V1, lineage=lineage)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (WAIT, Reason.FAILING_AGAIN, "some_rule")
    assert decision.waiting == Waiting(1, NOW - 700)
    waited = replace(lineage, waiting=decision.waiting)
    later = replace(facts, lineage=waited, recorded=waits(Reason.FAILING_AGAIN))
    assert succeeded(later).waiting == Waiting(1, NOW - 700)


@pytest.mark.parametrize("failure_class", OUTSIDE)
@pytest.mark.parametrize("same", [0, 1, 2, 9])
def test_no_number_of_deaths_of_the_outside_stops_or_walks_back(
    failure_class: FailureClass, same: int
) -> None:
    lineage = attempt(90, same=same, without_work=9, unpaid=Policy().max_jobs - 2, place=PLACE)
    facts = ended(failure_class, V1, lineage=lineage)
    assert outcome(policy.decide(facts)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert succeeded(facts).rejected == ()


def test_a_wait_of_the_outsides_holds_back_no_death_of_the_programs() -> None:
    lineage = attempt(3, waiting=Waiting(4, NOW - 700))
    facts = ended(FailureClass.USER_CODE, V1, lineage=lineage)
    assert policy.decide(facts).verdict is RELAUNCH
    assert succeeded(facts).waiting is None


def test_an_attempt_that_advanced_is_not_held_back_and_ends_the_wait() -> None:
    lineage = attempt(3, waiting=Waiting(4, NOW - 700))
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage)
    assert policy.decide(facts).verdict is RELAUNCH
    assert succeeded(facts).waiting is None
