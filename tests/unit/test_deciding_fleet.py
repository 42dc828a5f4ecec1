"""What the fleet breaker changes in one decision: a relaunch becomes a wait, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given

from resilience.decide import policy
from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import Decision, Facts, Reason, Recorded, Verdict, Waiting
from resilience.decide.reporting import notifies
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, attempt, checkpoint, ended
from tests.unit.strategies import FACTS

BUG = "user_code/5191a7e0"
OPEN = Breaker(state=Circuit.OPEN, since=NOW - 60, cause="infrastructure")
DIED_AGAIN = ended(
    FailureClass.INFRASTRUCTURE, checkpoint("v1", 10), lineage=attempt(), cause="infrastructure"
)
HELD = Recorded(verdict="WAIT", reason="fleet_breaker_open", due=NOW + 900)


def held(facts: Facts, breaker: Breaker = OPEN) -> Decision:
    return policy.decide(replace(facts, breaker=breaker))


def test_a_relaunch_that_did_no_work_waits_and_the_fleet_comes_back_spread() -> None:
    decision = held(DIED_AGAIN)
    assert (decision.verdict, decision.reason) == (Verdict.WAIT, Reason.FLEET_BREAKER_OPEN)
    assert decision.due is not None
    assert NOW + 900 <= decision.due <= NOW + 1800
    others = {held(replace(DIED_AGAIN, job=f"other-{n}")).due for n in range(20)}
    assert len(others) > 15


def test_with_the_breaker_closed_it_is_relaunched() -> None:
    assert held(DIED_AGAIN, Breaker(cause="infrastructure")).verdict is Verdict.RELAUNCH


def test_an_attempt_that_advanced_goes_on_whatever_the_fleet_does() -> None:
    advanced = ended(
        FailureClass.INFRASTRUCTURE,
        checkpoint("v2", 20),
        checkpoint("v1", 10),
        lineage=attempt(),
        cause="infrastructure",
    )
    assert held(advanced).verdict is Verdict.RELAUNCH


def test_of_a_programs_error_only_those_wait_that_died_of_it() -> None:
    narrow = replace(OPEN, cause=BUG)
    assert held(replace(DIED_AGAIN, cause=BUG), narrow).reason is Reason.FLEET_BREAKER_OPEN
    assert held(DIED_AGAIN, narrow).verdict is Verdict.RELAUNCH


def test_the_one_that_is_tried_is_relaunched_before_it_is_due() -> None:
    tried = replace(OPEN, state=Circuit.HALF_OPEN, probe=DIED_AGAIN.job)
    waits = replace(DIED_AGAIN, recorded=HELD)
    assert held(waits, tried).verdict is Verdict.RELAUNCH
    other = replace(tried, probe="another-job")
    assert held(waits, other).reason is Reason.NOT_DUE


@pytest.mark.parametrize("reason", ["capacity_unavailable", "wandb_unavailable"])
def test_a_wait_of_another_kind_is_not_cut_short_by_being_tried(reason: str) -> None:
    tried = replace(OPEN, state=Circuit.HALF_OPEN, probe=DIED_AGAIN.job)
    recorded = replace(HELD, reason=reason)
    assert held(replace(DIED_AGAIN, recorded=recorded), tried).reason is Reason.NOT_DUE


def test_a_job_that_is_due_while_the_breaker_is_open_waits_on() -> None:
    due = replace(DIED_AGAIN, recorded=replace(HELD, due=NOW))
    assert held(due).reason is Reason.FLEET_BREAKER_OPEN
    assert held(due, Breaker()).verdict is Verdict.RELAUNCH


ALIKE = replace(
    attempt(9, same=4, place="b59affa0", best=10, after=600), waiting=Waiting(1, NOW - 9000)
)


def test_while_the_fleet_waits_no_job_asks_a_person_why_it_dies_as_the_others_do() -> None:
    facts = replace(DIED_AGAIN, lineage=ALIKE)
    assert notifies(held(facts, Breaker()))
    decision = held(facts)
    assert decision.reason is Reason.FLEET_BREAKER_OPEN
    assert not notifies(decision)


def test_the_one_that_is_tried_is_not_held_back_by_its_own_back_off() -> None:
    facts = replace(DIED_AGAIN, lineage=ALIKE, recorded=HELD)
    tried = replace(OPEN, state=Circuit.HALF_OPEN, probe=facts.job)
    assert held(facts, tried).verdict is Verdict.RELAUNCH


def test_a_missing_right_is_told_whatever_the_fleet_does() -> None:
    facts = replace(DIED_AGAIN, failure_class=FailureClass.PERMISSION, lineage=attempt(2))
    assert held(facts).reason is Reason.ACCESS_DENIED


def test_of_what_the_fleet_waits_for_no_job_notifies_however_long_it_lasts() -> None:
    for days in range(5):
        facts = replace(
            DIED_AGAIN,
            observed_at=NOW + days * 86_400,
            recorded=replace(HELD, due=NOW + days * 86_400 - 900) if days else None,
            lineage=replace(attempt(), waiting=Waiting(1, NOW)),
        )
        decision = held(facts)
        if days:
            assert decision.reason is Reason.FLEET_BREAKER_OPEN
            assert not notifies(decision)


@given(facts=FACTS)
def test_the_breaker_turns_relaunches_and_back_offs_into_its_wait_and_nothing_else(
    facts: Facts,
) -> None:
    breaker = facts.breaker if facts.breaker.probe != facts.job else Breaker()
    now = policy.decide(replace(facts, breaker=breaker))
    calm = policy.decide(replace(facts, breaker=Breaker()))
    if now.reason is Reason.FLEET_BREAKER_OPEN:
        backs_off = calm.reason in {Reason.FAILING_AGAIN, Reason.FAILING_ALIKE}
        assert calm.verdict is Verdict.RELAUNCH or backs_off
        assert not notifies(now)
    else:
        assert replace(now, facts=calm.facts) == calm
