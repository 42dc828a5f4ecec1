"""How long a wait is: it grows, is drawn from all of its length, and never becomes a stop."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide import policy
from resilience.decide.attempts import Case, measure
from resilience.decide.backoff import wait_a_while, wait_for
from resilience.decide.decisions import (
    Checkpoint,
    Decision,
    Facts,
    Lookup,
    Policy,
    Reason,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import FIRST, NOW, V1, V2, attempt, ended, waits

RULE = "some_rule"
WHY = (Reason.FAILING_AGAIN, RULE)


def case_of(facts: Facts) -> Case:
    assert facts.lineage is not None
    assert facts.failure_class is not None
    return measure(facts, facts.lineage, facts.failure_class)


def waiting_since(times: int, since: int = NOW, **more: object) -> Facts:
    """An attempt that never started, and how often it was looked at so far."""
    lineage = attempt(2, waiting=Waiting(times, since))
    return ended(FailureClass.CAPACITY, V1, lineage=lineage, started=False, **more)


def delay(facts: Facts) -> int:
    due = wait_for(case_of(facts), Reason.CAPACITY_UNAVAILABLE, RULE).due
    assert due is not None
    return due - facts.observed_at


def test_a_wait_says_why_and_until_when_and_how_often() -> None:
    facts = waiting_since(2, NOW - 100)
    decision = wait_for(case_of(facts), Reason.QUOTA_REACHED, RULE)
    assert (decision.verdict, decision.reason, decision.rule) == (
        Verdict.WAIT,
        Reason.QUOTA_REACHED,
        RULE,
    )
    assert decision.waiting == Waiting(3, NOW - 100)
    assert decision.facts == facts


def test_the_longest_wait_doubles_up_to_its_ceiling_and_is_drawn_from_all_of_it() -> None:
    numbers = Policy(backoff_base_seconds=100, backoff_max_seconds=1000)
    for times in range(8):
        drawn = [
            delay(waiting_since(times, policy=numbers, job=f"job-{name}")) for name in range(60)
        ]
        ceiling = min(1000, 100 * 2**times)
        assert 1 <= min(drawn) < ceiling * 0.25
        assert ceiling * 0.75 < max(drawn) <= ceiling


@given(st.integers(0, 10**18))
def test_no_number_of_looks_makes_a_wait_longer_than_its_ceiling(times: int) -> None:
    assert 1 <= delay(waiting_since(times)) <= Policy().backoff_max_seconds


def test_the_doubling_itself_is_bounded() -> None:
    """Two to the power of a million would hold up the function."""
    numbers = Policy(backoff_base_seconds=1, backoff_max_seconds=2**31)
    drawn = [
        delay(waiting_since(times, policy=numbers, job=f"job-{times}"))
        for times in range(10**6, 10**6 + 60)
    ]
    assert 2**29 < max(drawn) <= 2**30


def test_the_shortest_wait_is_a_second() -> None:
    numbers = Policy(backoff_base_seconds=0, backoff_max_seconds=0)
    assert delay(waiting_since(0, policy=numbers)) == 1
    assert wait_a_while(case_of(waiting_since(0, policy=numbers)), *WHY, 900).due == NOW + 1


@pytest.mark.parametrize("longest", [1, 2, 901, 1799, 1800])
def test_a_wait_is_of_whole_seconds_whatever_the_longest_one_is(longest: int) -> None:
    numbers = Policy(backoff_max_seconds=longest)
    due = wait_a_while(case_of(waiting_since(0, policy=numbers)), *WHY, 900).due
    assert isinstance(due, int)
    assert NOW < due <= NOW + longest


def test_the_same_job_and_look_draw_the_same_second_again_and_another_draws_another() -> None:
    first = delay(waiting_since(6))
    assert first == delay(waiting_since(6, since=NOW - 500))
    assert first != delay(waiting_since(6, job="another"))
    assert first != delay(waiting_since(7))


def test_the_draw_is_the_same_for_ever() -> None:
    """A decision of last year replays to the second."""
    assert delay(waiting_since(6)) == 3491
    while_ = wait_a_while(case_of(waiting_since(6)), Reason.FAILING_AGAIN, RULE, 900)
    assert while_.due == NOW + 1773


@pytest.mark.parametrize("seconds", [15, 900])
def test_a_while_is_between_its_seconds_and_twice_as_long(seconds: int) -> None:
    drawn: list[int] = []
    for number in range(60):
        case = case_of(waiting_since(3, NOW - 100, job=f"job-{number}"))
        decision = wait_a_while(case, Reason.UPLOAD_PENDING, RULE, seconds)
        assert decision.waiting == Waiting(4, NOW - 100)
        assert decision.reason is Reason.UPLOAD_PENDING
        assert decision.due is not None
        drawn.append(decision.due - NOW)
    assert seconds <= min(drawn) < seconds * 1.25
    assert seconds * 1.75 < max(drawn) <= seconds * 2


def test_a_while_is_drawn_anew_at_each_look() -> None:
    first, second = (
        wait_a_while(case_of(waiting_since(times)), Reason.FAILING_AGAIN, RULE, 900).due
        for times in (0, 1)
    )
    assert first != second


def test_a_wait_begins_with_the_first_look() -> None:
    facts = ended(FailureClass.CAPACITY, V1, lineage=attempt(2), started=False)
    assert policy.decide(facts).waiting == Waiting(1, NOW)


def test_a_wait_that_began_in_the_future_is_another_clocks_and_begins_now() -> None:
    assert policy.decide(waiting_since(1, NOW + 10**7)).waiting == Waiting(2, NOW)


# --- which waits go on, and which begin anew


REFUSED = (FailureClass.QUOTA, "refused")


def test_an_attempt_that_worked_has_ended_the_wait_before_it() -> None:
    lineage = attempt(2, waiting=Waiting(9, NOW - 10**6))
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage, refusal=REFUSED)
    assert policy.decide(facts).waiting == Waiting(1, NOW)


@pytest.mark.parametrize("found", [(V1,), (V1, V2)], ids=["without work", "with work"])
def test_a_job_that_waits_goes_on_waiting_and_backs_off_whatever_it_worked(
    found: tuple[Checkpoint, ...],
) -> None:
    """The wait that stands on a job is its own; only one that it inherited ends by its work."""
    facts = ended(
        FailureClass.INFRASTRUCTURE,
        *found,
        lineage=attempt(2, waiting=Waiting(5, NOW - 4000)),
        recorded=waits(Reason.QUOTA_REACHED),
        refusal=REFUSED,
    )
    assert policy.decide(facts).waiting == Waiting(6, NOW - 4000)


def looked_at(facts: Facts, looks: int) -> list[Decision]:
    """So many looks at one job in a world that does not change, each when it is due."""
    decisions: list[Decision] = []
    for _ in range(looks):
        decision = policy.decide(facts)
        assert decision.verdict is Verdict.WAIT
        assert decision.due is not None
        assert facts.lineage is not None
        decisions.append(decision)
        facts = replace(
            facts,
            observed_at=decision.due,
            recorded=waits(decision.reason, decision.due),
            lineage=replace(facts.lineage, waiting=decision.waiting),
        )
    return decisions


@pytest.mark.parametrize(
    "facts",
    [
        ended(FailureClass.USER_CODE, V1, V2, lineage=attempt(2), refusal=REFUSED),
        ended(FailureClass.USER_CODE, V1, refusal=(FailureClass.PERMISSION, "refused")),
        ended(FailureClass.TIMEOUT, lookup=Lookup.UNAVAILABLE),
        ended(FailureClass.TIMEOUT, lineage=attempt(3), lookup=Lookup.REFUSED),
        ended(FailureClass.INTERRUPTED, V1, lineage=FIRST, refusal=REFUSED),
    ],
    ids=["quota", "denied", "wandb away", "wandb refuses", "first attempt"],
)
def test_whatever_does_not_change_is_waited_for_for_ever_and_ever_more_seldom(
    facts: Facts,
) -> None:
    decisions = looked_at(facts, 400)
    assert [one.waiting for one in decisions] == [Waiting(n, NOW) for n in range(1, 401)]
    last = decisions[-1].facts.observed_at - decisions[-100].facts.observed_at
    assert 99 * 900 < last <= 99 * Policy().backoff_max_seconds
