"""Deaths that come again: confirmed once, walked back once, and then for a person."""

from dataclasses import replace

import pytest

from resilience.decide import policy, reporting
from resilience.decide.decisions import Facts, Policy, Reason, Recorded, Verdict
from resilience.failures import FailureClass
from tests.unit.lineages import (
    LIMIT,
    NOW,
    PLACE,
    PROGRAM,
    V1,
    V2,
    at_place,
    attempt,
    checkpoint,
    ended,
    outcome,
    succeeded,
    waits,
)

RELAUNCH, WAIT, STOP, IGNORE = Verdict


@pytest.mark.parametrize("failure_class", LIMIT)
def test_a_limit_without_work_is_confirmed_once_and_then_stops(
    failure_class: FailureClass,
) -> None:
    first = ended(failure_class, V1, lineage=attempt(2))
    assert outcome(policy.decide(first)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert succeeded(first).rejected == ()
    lineage = replace(attempt(3), ledger=succeeded(first).ledger)
    decision = policy.decide(replace(first, lineage=lineage))
    assert (*outcome(decision), decision.rule) == (STOP, Reason.NO_PROGRESS, "some_rule")


@pytest.mark.parametrize("failure_class", LIMIT)
def test_a_limit_that_is_reached_at_work_never_ends_a_lineage(failure_class: FailureClass) -> None:
    worked = ended(failure_class, V1, V2, lineage=attempt(2))
    lineage = replace(
        attempt(3, started_from="v2", started_step=20), ledger=succeeded(worked).ledger
    )
    assert policy.decide(ended(failure_class, V1, V2, lineage=lineage)).verdict is RELAUNCH


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_a_death_of_the_program_is_confirmed_at_once_from_the_same_checkpoint(
    failure_class: FailureClass,
) -> None:
    facts = replace(at_place(0), failure_class=failure_class)
    assert outcome(policy.decide(facts)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert succeeded(facts).checkpoint == V2


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_a_death_that_was_confirmed_waits_and_then_goes_back_to_one_older_checkpoint(
    failure_class: FailureClass,
) -> None:
    facts = replace(at_place(1), failure_class=failure_class)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (WAIT, Reason.FAILING_AGAIN, "some_rule")
    assert decision.due is not None
    assert NOW + 900 <= decision.due <= NOW + 1800
    assert decision.due == NOW + 1192  # for ever: a decision replays to the second
    waited = replace(facts, recorded=waits(Reason.FAILING_AGAIN))
    after = policy.decide(waited)
    assert outcome(after) == (RELAUNCH, Reason.WALKED_BACK)
    assert after.passed_over == (("v2", "rejected"),)
    assert (succeeded(waited).checkpoint, succeeded(waited).rejected) == (V1, ("v2",))


@pytest.mark.parametrize("failure_class", PROGRAM)
@pytest.mark.parametrize("recorded", [None, waits(Reason.FAILING_AGAIN)], ids=["fresh", "waited"])
def test_the_third_death_at_one_place_stops(
    failure_class: FailureClass, recorded: Recorded | None
) -> None:
    facts = replace(at_place(2), failure_class=failure_class, recorded=recorded)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (
        STOP,
        Reason.FAILED_AGAIN_AT_SAME_STEP,
        "some_rule",
    )


def test_a_checkpoint_that_cannot_be_loaded_is_walked_back_from_without_a_wait() -> None:
    facts = replace(at_place(0), failure_class=FailureClass.DATA, checkpoint_load_error=True)
    decision = policy.decide(facts)
    assert outcome(decision) == (RELAUNCH, Reason.WALKED_BACK)
    assert decision.passed_over == (("v2", "rejected"),)
    assert (succeeded(facts).checkpoint, succeeded(facts).rejected) == (V1, ("v2",))


def test_only_a_loss_that_diverged_stops_at_the_second_death_of_an_attempt_that_went_back() -> None:
    """Any other death has gone back for another reason, and is confirmed like the rest."""
    went_back = attempt(4, same=1, place=PLACE, best=10, seen=2)
    facts = ended(FailureClass.USER_CODE, V1, lineage=went_back)
    assert policy.decide(facts).verdict is WAIT


# --- deaths that the text blames on something outside, one like the other


OUTSIDE_PLACE = "b59affa0"  # of step 10 and the signature of `ended`


def alike(before: int, **more: object) -> Facts:
    """One more death of a machine, begun at v1, where so many came before after the same time."""
    lineage = attempt(9, same=before, place=OUTSIDE_PLACE, best=10, after=600)
    older = checkpoint("v0", 5)
    return ended(FailureClass.INFRASTRUCTURE, older, V1, lineage=lineage, **more)


def test_the_third_and_fourth_that_are_alike_wait_for_an_hour_and_blame_no_checkpoint() -> None:
    half = Policy().backoff_max_seconds // 2
    for before in (2, 3):
        decision = policy.decide(alike(before))
        assert outcome(decision) == (WAIT, Reason.FAILING_AGAIN)
        assert decision.rule == "some_rule"
        assert decision.due is not None
        assert NOW + half <= decision.due <= NOW + 2 * half
        waited = policy.decide(alike(before, recorded=waits(Reason.FAILING_AGAIN)))
        assert outcome(waited) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_the_fifth_asks_a_person_and_is_tried_again_after_a_night() -> None:
    decision = policy.decide(alike(4))
    assert outcome(decision) == (WAIT, Reason.FAILING_ALIKE)
    assert reporting.notifies(decision)
    night = 8 * 3600
    for ago, verdict in ((night - 1, WAIT), (night, RELAUNCH)):
        facts = alike(4, recorded=waits(Reason.FAILING_ALIKE), ended_at=NOW - ago)
        assert policy.decide(facts).verdict is verdict
        assert not reporting.notifies(policy.decide(facts)) or verdict is RELAUNCH


@pytest.mark.parametrize("before", [5, 6, 9])
def test_the_sixth_stops_and_never_in_silence(before: int) -> None:
    decision = policy.decide(alike(before))
    assert outcome(decision) == (STOP, Reason.FAILED_AGAIN_AT_SAME_STEP)
    assert reporting.notifies(decision)


@pytest.mark.parametrize("status", ["Interrupted", "MaxWaitTimeExceeded"])
@pytest.mark.parametrize("before", [2, 3, 4, 5, 9])
def test_an_instance_that_was_taken_back_is_no_evidence_however_often(
    before: int, status: str
) -> None:
    facts = alike(before, secondary_status=status)
    assert outcome(policy.decide(facts)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    waited = succeeded(facts)
    assert (waited.rejected, waited.ledger.same) == ((), before)


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(449, RELAUNCH), (450, WAIT), (800, WAIT), (801, RELAUNCH)]
)
def test_two_deaths_are_alike_that_differ_by_a_quarter_of_the_longer_time(
    seconds: int, verdict: Verdict
) -> None:
    assert policy.decide(alike(2, seconds=seconds)).verdict is verdict


@pytest.mark.parametrize("before", [2, 3, 4, 5, 9])
def test_one_that_differs_in_time_is_the_first_again(before: int) -> None:
    assert outcome(policy.decide(alike(before, seconds=1200))) == (
        RELAUNCH,
        Reason.RESUMED_FROM_CHECKPOINT,
    )
