"""The fleet breaker's states: what opens it, whom it holds, how it closes by itself."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide import breaker as circuit
from resilience.decide.breaker import (
    OPEN_SECONDS,
    SEVERAL,
    Breaker,
    Circuit,
    Trial,
    answered,
    counted,
    is_mail_due,
    let_one_through,
)

NOW, THRESHOLD, DAY = 1_800_000_000, 25, 86_400
BUG, OTHER_BUG = "user_code/0123abcd", "user_code/89abcdef"
CLOSED = Breaker()
CAUSES = st.sampled_from(["infrastructure", "interrupted", BUG, OTHER_BUG])


def deaths(*causes: str, count: int = THRESHOLD, seconds: int = 300) -> dict[str, list[int]]:
    return {cause: [seconds] * count for cause in causes}


def opened(cause: str = "infrastructure", now: int = NOW) -> Breaker:
    return counted(CLOSED, deaths(cause), THRESHOLD, now)


def half_open(cause: str = "infrastructure") -> Breaker:
    return let_one_through(opened(cause), ["held"], NOW + OPEN_SECONDS)


def test_so_many_lineages_that_die_of_one_cause_open_it() -> None:
    one_less = counted(CLOSED, deaths("infrastructure", count=THRESHOLD - 1), THRESHOLD, NOW)
    assert one_less == CLOSED
    assert (opened().state, opened().cause, opened().since) == (Circuit.OPEN, "infrastructure", NOW)


def test_many_deaths_of_many_causes_are_many_causes() -> None:
    few_each = deaths(BUG, OTHER_BUG, "infrastructure", count=THRESHOLD - 1)
    assert counted(CLOSED, few_each, THRESHOLD, NOW) == CLOSED


def test_a_closed_breaker_holds_nobody() -> None:
    assert not Breaker(cause="infrastructure").holds("a-job", "infrastructure")


def test_what_is_outside_holds_all_whatever_they_say_of_it() -> None:
    assert opened("infrastructure").holds("a-job", BUG)
    assert opened("infrastructure").holds("a-job", "infrastructure")


def test_what_is_in_a_program_holds_those_that_die_with_the_same_words() -> None:
    assert opened(BUG).holds("a-job", BUG)
    assert not opened(BUG).holds("a-job", OTHER_BUG)
    assert not opened(BUG).holds("a-job", "infrastructure")


def test_a_person_who_opens_it_without_a_cause_holds_all() -> None:
    assert Breaker(state=Circuit.OPEN).holds("a-job", BUG)


def test_a_second_program_that_fails_everywhere_makes_it_hold_all() -> None:
    both = counted(opened(BUG), deaths(OTHER_BUG), THRESHOLD, NOW + 60)
    assert (both.state, both.cause, both.since) == (Circuit.OPEN, SEVERAL, NOW + 60)
    assert both.holds("a-job", "data/01234567")


def test_a_second_cause_ends_the_trial_of_the_first() -> None:
    both = counted(half_open(BUG), deaths(OTHER_BUG), THRESHOLD, NOW + 5000)
    assert (both.state, both.probe) == (Circuit.OPEN, "")


def test_an_incident_on_top_of_a_bug_is_named_and_holds_all() -> None:
    both = counted(opened(BUG), deaths(BUG, "infrastructure"), THRESHOLD, NOW + 60)
    assert both.cause == "infrastructure"


@pytest.mark.parametrize("cause", [BUG, "infrastructure"])
def test_more_deaths_of_the_same_cause_do_not_put_the_hour_off(cause: str) -> None:
    assert counted(opened(cause), deaths(cause), THRESHOLD, NOW + 60) == opened(cause)
    assert counted(half_open(cause), deaths(cause), THRESHOLD, NOW + 60) == half_open(cause)


def test_after_an_hour_one_job_passes_and_the_others_wait() -> None:
    assert not circuit.is_due(opened(), NOW + OPEN_SECONDS - 1)
    assert circuit.is_due(opened(), NOW + OPEN_SECONDS)
    tried = half_open()
    assert (tried.state, tried.since) == (Circuit.HALF_OPEN, NOW + OPEN_SECONDS)
    assert tried.probe == "held"
    assert not tried.holds("held", "infrastructure")
    assert tried.holds("other", "infrastructure")


def test_with_nobody_waiting_it_closes_after_its_hour() -> None:
    closed = let_one_through(opened(), [], NOW + OPEN_SECONDS)
    assert (closed.state, closed.since) == (Circuit.CLOSED, NOW + OPEN_SECONDS)


def test_a_trial_that_works_closes_it() -> None:
    closed = answered(half_open(), Trial.WORKS, [], NOW + 5000)
    assert (closed.state, closed.since, closed.probe) == (Circuit.CLOSED, NOW + 5000, "")


def test_a_trial_that_dies_opens_it_for_another_hour() -> None:
    again = answered(half_open(), Trial.DIED, ["held"], NOW + 5000)
    assert (again.state, again.since, again.probe) == (Circuit.OPEN, NOW + 5000, "")
    assert not circuit.is_due(again, NOW + 5000 + OPEN_SECONDS - 1)


def test_a_trial_without_an_answer_hands_over_to_another_at_once() -> None:
    tried = answered(half_open(), Trial.NO_ANSWER, ["next"], NOW + 5000)
    assert (tried.state, tried.since, tried.probe) == (Circuit.HALF_OPEN, NOW + 5000, "next")


def test_it_is_not_always_the_same_lineage_that_is_tried() -> None:
    held = [f"job-{number}" for number in range(10)]
    tried = {let_one_through(opened(now=NOW + n), held, NOW + 9000).probe for n in range(50)}
    assert len(tried) > 5


def test_a_successor_has_to_outlive_the_deaths_and_ten_minutes() -> None:
    slow = counted(CLOSED, deaths(BUG, seconds=3000), THRESHOLD, NOW)
    quick = counted(CLOSED, deaths(BUG, seconds=3), THRESHOLD, NOW)
    assert (slow.trial_seconds, quick.trial_seconds) == (3000, 600)


def test_a_new_cause_is_mailed_at_once_and_one_that_stays_once_a_day() -> None:
    first = opened()
    assert is_mail_due(CLOSED, first, NOW)
    told = Breaker(state=Circuit.OPEN, since=NOW, cause="infrastructure", mailed=NOW)
    assert not is_mail_due(told, told, NOW + DAY - 1)
    assert is_mail_due(told, told, NOW + DAY)
    assert is_mail_due(told, counted(opened(BUG), deaths(OTHER_BUG), THRESHOLD, NOW), NOW + 60)


def test_the_same_cause_that_comes_back_within_a_day_is_not_mailed_again() -> None:
    told = Breaker(state=Circuit.HALF_OPEN, since=NOW, cause="infrastructure", mailed=NOW)
    closed = answered(told, Trial.WORKS, [], NOW + 5000)
    assert not is_mail_due(told, closed, NOW + 5000)
    again = counted(closed, deaths("infrastructure"), THRESHOLD, NOW + 9000)
    assert again.state is Circuit.OPEN
    assert not is_mail_due(closed, again, NOW + 9000)


STEPS = st.lists(
    st.tuples(
        st.integers(60, 7200),  # seconds to the next sweep
        st.dictionaries(CAUSES, st.lists(st.integers(0, 3599), max_size=40), max_size=3),
        st.sampled_from(Trial),
        st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True),
    ),
    max_size=40,
)
Step = tuple[int, dict[str, list[int]], Trial, list[str]]


def swept(before: Breaker, step: Step, now: int) -> Breaker:
    """One sweep, as fleet_breaker orders the moves."""
    _, died, trial, held = step
    after = counted(before, died, THRESHOLD, now)
    if after != before:
        return after
    if circuit.is_due(before, now):
        return let_one_through(before, held, now)
    return answered(before, trial, held, now) if before.state is Circuit.HALF_OPEN else before


def history(steps: Sequence[Step]) -> list[tuple[int, Breaker]]:
    now, breaker = NOW, CLOSED
    states = [(now, breaker)]
    for step in steps:
        now += step[0]
        breaker = swept(breaker, step, now)
        states.append((now, breaker))
    return states


@given(steps=STEPS)
def test_whatever_happens_only_a_half_open_breaker_names_a_probe(steps: list[Step]) -> None:
    for now, breaker in history(steps):
        assert (breaker.state is Circuit.HALF_OPEN) == bool(breaker.probe)
        assert breaker.since <= now


@given(steps=STEPS)
def test_whatever_happens_no_trial_begins_within_an_hour_of_a_death(steps: list[Step]) -> None:
    states = history(steps)
    for (_, before), (now, after) in pairwise(states):
        if before.state is Circuit.OPEN and after.state is not Circuit.OPEN:
            assert now - before.since >= OPEN_SECONDS


@given(steps=STEPS)
def test_from_wherever_it_is_it_closes_by_itself_once_trials_work(steps: list[Step]) -> None:
    now, breaker = history(steps)[-1]
    for _ in range(2 * OPEN_SECONDS // 300):
        now += 300
        breaker = swept(breaker, (300, {}, Trial.WORKS, ["a"]), now)
    assert breaker.state is Circuit.CLOSED
