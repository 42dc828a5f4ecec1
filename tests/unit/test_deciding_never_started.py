"""A job that never began to train is nobody's fault: it waits, and counts against nothing."""

from dataclasses import replace

import pytest
from hypothesis import given

from resilience.decide import policy
from resilience.decide.decisions import (
    Facts,
    Ledger,
    Lineage,
    Lookup,
    Policy,
    Progress,
    Reason,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import (
    FIRST,
    NOW,
    PLACE,
    V1,
    V2,
    attempt,
    checkpoint,
    decided,
    ended,
    outcome,
    succeeded,
    waits,
)
from tests.unit.strategies import FAILED_FACTS

RELAUNCH, WAIT, STOP, IGNORE = Verdict
WHY = {
    FailureClass.CAPACITY: Reason.CAPACITY_UNAVAILABLE,
    FailureClass.INTERRUPTED: Reason.CAPACITY_UNAVAILABLE,
    FailureClass.QUOTA: Reason.QUOTA_REACHED,
    FailureClass.INFRASTRUCTURE: Reason.NOT_STARTED,
    FailureClass.TIMEOUT: Reason.NOT_STARTED,
    FailureClass.INCOMPLETE: Reason.NOT_STARTED,
    FailureClass.USER_CODE: Reason.NOT_STARTED,
    FailureClass.OUT_OF_MEMORY: Reason.NOT_STARTED,
    FailureClass.UNKNOWN: Reason.NOT_STARTED,
    FailureClass.PERMISSION: Reason.START_REFUSED,
    FailureClass.CONFIGURATION: Reason.START_REFUSED,
    FailureClass.DATA: Reason.START_REFUSED,
}
REFUSALS = {
    FailureClass.PERMISSION: Reason.PERMISSION_DENIED,
    FailureClass.CONFIGURATION: Reason.CONFIGURATION_INVALID,
    FailureClass.DATA: Reason.CONFIGURATION_INVALID,
}
TRAINED_BEFORE = attempt(2, ends=(("infrastructure", 1),))
UNTRIED = attempt(2, started_from=None)


@pytest.mark.parametrize("failure_class", WHY)
def test_it_waits_whatever_its_text_says(failure_class: FailureClass) -> None:
    decision = policy.decide(ended(failure_class, V1, lineage=TRAINED_BEFORE, started=False))
    assert (*outcome(decision), decision.rule) == (WAIT, WHY[failure_class], "some_rule")
    assert decision.due is not None
    assert NOW < decision.due <= NOW + Policy().backoff_base_seconds


@pytest.mark.parametrize("failure_class", REFUSALS)
def test_a_refusal_after_another_failed_start_is_seen_twice_before_it_is_final(
    failure_class: FailureClass,
) -> None:
    """In an incident AWS may refuse what it took a minute ago."""
    once = ended(failure_class, lineage=UNTRIED, started=False)
    assert outcome(policy.decide(once)) == (WAIT, Reason.START_REFUSED)
    successor = succeeded(replace(once, recorded=waits(Reason.START_REFUSED)))
    assert successor.ledger.refused == 1
    lineage = replace(UNTRIED, attempt=3, ledger=successor.ledger)
    again = replace(once, lineage=lineage)
    assert outcome(policy.decide(again)) == (STOP, REFUSALS[failure_class])


@pytest.mark.parametrize("failure_class", REFUSALS)
@pytest.mark.parametrize("lineage", [FIRST, replace(UNTRIED, ledger=Ledger(refused=1))])
def test_what_aws_refuses_to_start_and_has_never_trained_stops(
    failure_class: FailureClass, lineage: Lineage
) -> None:
    decision = policy.decide(ended(failure_class, lineage=lineage, started=False))
    assert (*outcome(decision), decision.rule) == (STOP, REFUSALS[failure_class], "some_rule")


@pytest.mark.parametrize("failure_class", WHY)
def test_only_a_refusal_of_awss_stops_a_lineage_that_has_never_trained(
    failure_class: FailureClass,
) -> None:
    verdict, _ = decided(failure_class, started=False)
    assert verdict is (STOP if failure_class in REFUSALS else WAIT)


@pytest.mark.parametrize("lookup", Lookup)
def test_wandb_need_not_answer_for_it(lookup: Lookup) -> None:
    found = decided(FailureClass.CAPACITY, lineage=TRAINED_BEFORE, started=False, lookup=lookup)
    assert found == (WAIT, Reason.CAPACITY_UNAVAILABLE)


@pytest.mark.parametrize("failure_class", WHY)
@pytest.mark.parametrize("waited_for", [*Reason][4:14])
def test_what_has_waited_may_try_whatever_it_waited_for(
    failure_class: FailureClass, waited_for: Reason
) -> None:
    worst = replace(TRAINED_BEFORE.ledger, same=2, without_work=9, place=PLACE)
    lineage = replace(TRAINED_BEFORE, ledger=worst, waiting=Waiting(4, NOW - 700))
    facts = ended(failure_class, V1, lineage=lineage, started=False, recorded=waits(waited_for))
    assert outcome(policy.decide(facts)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_a_first_job_that_has_waited_starts_from_the_beginning() -> None:
    found = decided(FailureClass.CAPACITY, started=False, recorded=waits())
    assert found == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)


@given(FAILED_FACTS)
def test_it_changes_no_count_and_rejects_no_checkpoint_whatever_else_is_true(
    facts: Facts,
) -> None:
    decision = policy.decide(replace(facts, started=False, recorded=waits()))
    if decision.successor is None:
        return
    before = facts.lineage
    assert before is not None
    after = replace(decision.successor.ledger, seen=before.ledger.seen)
    assert replace(after, refused=before.ledger.refused) == before.ledger
    assert decision.successor.rejected == before.rejected


def test_a_text_about_a_checkpoint_rejects_none_that_nobody_has_loaded() -> None:
    facts = ended(
        FailureClass.DATA,
        V1,
        lineage=TRAINED_BEFORE,
        started=False,
        recorded=waits(),
        checkpoint_load_error=True,
    )
    assert succeeded(facts).checkpoint == V1
    assert succeeded(facts).rejected == ()


def test_the_checkpoint_that_a_walk_back_found_is_not_rejected_for_want_of_machines() -> None:
    walked_back = attempt(4, rejected=("v2",), same=2, place="0123abcd", seen=2)
    facts = ended(
        FailureClass.CAPACITY, V1, V2, lineage=walked_back, started=False, recorded=waits()
    )
    assert succeeded(facts).checkpoint == V1
    assert succeeded(facts).rejected == ("v2",)


def test_a_checkpoint_that_a_person_barred_meanwhile_is_passed_over() -> None:
    excluded = checkpoint("v2", 20, "suspect")
    lineage = attempt(3, started_from="v2", started_step=20, ends=(("infrastructure", 1),))
    facts = ended(
        FailureClass.CAPACITY, V1, excluded, lineage=lineage, started=False, recorded=waits()
    )
    assert succeeded(facts).checkpoint == V1


def test_it_has_no_work_of_its_own_though_a_version_came_meanwhile() -> None:
    """An upload of the attempt before it may end after its launch, and name no job."""
    facts = ended(FailureClass.CAPACITY, V1, V2, lineage=TRAINED_BEFORE, started=False)
    assert policy.decide(facts).progress is not Progress.ADVANCED


def test_its_wait_goes_on_over_all_attempts_that_never_started() -> None:
    began = Waiting(3, NOW - 5000)
    lineage = replace(TRAINED_BEFORE, waiting=began)
    facts = ended(FailureClass.CAPACITY, V1, lineage=lineage, started=False)
    assert policy.decide(facts).waiting == Waiting(4, NOW - 5000)
    assert succeeded(replace(facts, recorded=waits())).waiting == began


@pytest.mark.parametrize("failure_class", WHY)
def test_its_wait_goes_on_whatever_its_text_says(failure_class: FailureClass) -> None:
    began = Waiting(3, NOW - 5000)
    lineage = replace(TRAINED_BEFORE, waiting=began)
    facts = ended(failure_class, V1, lineage=lineage, started=False, recorded=waits())
    assert succeeded(facts).waiting == began


def test_a_wait_that_no_tag_tells_of_begins_with_the_try() -> None:
    facts = ended(
        FailureClass.CAPACITY, V1, lineage=TRAINED_BEFORE, started=False, recorded=waits()
    )
    assert succeeded(facts).waiting == Waiting(0, NOW)


@pytest.mark.parametrize("days", [1, 30, 400])
def test_a_wait_for_machines_never_becomes_a_stop(days: int) -> None:
    lineage = replace(TRAINED_BEFORE, waiting=Waiting(1000, NOW - days * 86_400))
    found = decided(FailureClass.CAPACITY, V1, lineage=lineage, started=False)
    assert found[0] is WAIT
