"""What W&B does not say now, it says later."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide import policy
from resilience.decide.decisions import (
    Lineage,
    Lookup,
    Reason,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import (
    FIRST,
    NOW,
    PLACE,
    PROGRAM,
    TRAINED,
    V1,
    V2,
    at_place,
    attempt,
    decided,
    ended,
    outcome,
    waits,
)

RELAUNCH, WAIT, STOP, IGNORE = Verdict
HOPELESS = attempt(
    5, unpaid=50, without_work=9, lost_seconds=10**7, same=9, place=PLACE, best=10, seen=1
)


@pytest.mark.parametrize(
    ("lookup", "reason"),
    [
        (Lookup.UNAVAILABLE, Reason.WANDB_UNAVAILABLE),
        (Lookup.REFUSED, Reason.WANDB_REFUSED),
        (Lookup.NOT_ASKED, Reason.WANDB_REFUSED),
    ],
)
@pytest.mark.parametrize("lineage", [FIRST, HOPELESS], ids=["first", "late"])
@pytest.mark.parametrize("failure_class", TRAINED)
def test_without_wandbs_answer_nothing_is_launched_and_nothing_given_up(
    failure_class: FailureClass, lineage: Lineage, lookup: Lookup, reason: Reason
) -> None:
    facts = replace(ended(failure_class, lookup=lookup), lineage=lineage)
    decision = policy.decide(facts)
    rule = "wandb_unavailable" if lookup is Lookup.UNAVAILABLE else "wandb_refused"
    assert (*outcome(decision), decision.rule) == (WAIT, reason, rule)
    assert policy.decide(replace(facts, recorded=waits())).verdict is WAIT


@pytest.mark.parametrize("pending", [1, 3])
def test_an_upload_that_has_not_ended_is_waited_for_a_little(pending: int) -> None:
    facts = ended(FailureClass.INFRASTRUCTURE, V1, lineage=attempt(2), pending=pending)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (WAIT, Reason.UPLOAD_PENDING, "upload_pending")
    assert decision.due is not None
    assert NOW + 15 <= decision.due <= NOW + 30
    assert decision.due == NOW + 21  # for ever: a decision replays to the second
    for ago, verdict in ((90, WAIT), (91, RELAUNCH)):
        assert policy.decide(replace(facts, ended_at=NOW - ago)).verdict is verdict
    assert policy.decide(replace(facts, ended_at=None)).verdict is RELAUNCH
    assert policy.decide(replace(facts, pending=0)).verdict is RELAUNCH


def test_an_upload_is_waited_for_after_work_as_well_for_it_is_the_newest_of_it() -> None:
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=attempt(2), pending=1)
    assert outcome(policy.decide(facts)) == (WAIT, Reason.UPLOAD_PENDING)
    late = replace(facts, ended_at=NOW - 91)
    assert outcome(policy.decide(late)) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_an_upload_is_waited_for_before_a_lineage_is_given_up() -> None:
    facts = ended(FailureClass.USER_CODE, V1, lineage=HOPELESS, pending=1)
    assert outcome(policy.decide(facts)) == (WAIT, Reason.UPLOAD_PENDING)


@pytest.mark.parametrize("waited_for", [Reason.UPLOAD_PENDING, Reason.WANDB_UNAVAILABLE])
def test_a_wait_for_an_upload_is_too_short_to_stand_for_the_back_off(waited_for: Reason) -> None:
    """A machine that dies in an upload leaves it pending for ever: each attempt after waits."""
    verdict = WAIT if waited_for is Reason.UPLOAD_PENDING else RELAUNCH
    confirmed = replace(at_place(1), recorded=waits(waited_for))
    assert policy.decide(confirmed).verdict is verdict
    lost = ended(
        FailureClass.INFRASTRUCTURE,
        V1,
        lineage=attempt(3, waiting=Waiting(4, NOW - 700)),
        recorded=waits(waited_for),
        pending=1,
        ended_at=NOW - 91,
    )
    assert policy.decide(lost).verdict is verdict


@given(st.sampled_from(PROGRAM), st.integers(0, 1))
def test_no_death_of_the_program_waits_before_it_is_confirmed(
    failure_class: FailureClass, without_work: int
) -> None:
    lineage = attempt(3, without_work=without_work)
    assert decided(failure_class, V1, lineage=lineage)[0] is RELAUNCH
