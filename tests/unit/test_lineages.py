"""Whole lineages of random ends: what bounds them, what never ends them, and how they wait."""

from dataclasses import replace
from itertools import cycle, islice

from hypothesis import given, settings
from hypothesis import strategies as st

from local.replaying.log_line import redecide
from resilience import telemetry
from resilience.decide import reporting
from resilience.decide.decisions import Ledger, Lookup, Policy, Reason, Verdict
from resilience.failures import FailureClass
from resilience.wire import tags
from tests.unit.lineages import AT_ONCE, LIMIT, OUTSIDE, PROGRAM, TRAINED
from tests.unit.lives import ENDS, OVERRIDES, POLICIES, End, Life, launches, trained

DAY = 86_400


def spent(ledger: Ledger) -> int:
    return sum(count for _, count in ledger.ends)


# --- counts


@settings(max_examples=60)
@given(st.lists(ENDS, min_size=1, max_size=12), POLICIES, OVERRIDES)
def test_the_counts_of_every_lineage_only_grow_and_each_attempt_that_trained_is_counted_once(
    ends: list[End], stack: Policy, overrides: dict[str, str]
) -> None:
    life = Life(cycle(ends), stack)
    life.own |= overrides
    numbers = tags.policy(life.own, stack)
    before, counted = Ledger(), 0
    for number, decision in enumerate(launches(life.run(120)), start=2):
        assert decision.facts.policy == numbers, "an override holds for the whole lineage"
        assert decision.successor is not None
        after = decision.successor.ledger
        counted += decision.facts.started
        assert decision.successor.attempt == number
        assert spent(after) == counted
        assert all(after.count(name) >= count for name, count in before.ends)
        assert (after.unpaid, after.best, after.seen) >= (before.unpaid, before.best, before.seen)
        assert after.unpaid <= max(0, numbers.max_jobs - 1)
        before = after


@settings(max_examples=40)
@given(st.lists(ENDS.filter(lambda one: one.started), min_size=1, max_size=8), POLICIES)
def test_every_lineage_whose_attempts_train_and_do_not_pay_comes_to_an_end(
    ends: list[End], stack: Policy
) -> None:
    short = [replace(one, lives=min(one.lives, 3599), lookup=Lookup.FOUND) for one in ends]
    willing = [replace(one, refusal=None) for one in short]
    decisions = Life(cycle(willing), stack).run()
    assert decisions[-1].verdict is Verdict.STOP
    assert trained(decisions) <= max(1, stack.max_jobs)


@settings(max_examples=20)
@given(st.lists(ENDS, min_size=1, max_size=8))
def test_every_decision_of_a_lineage_is_taken_again_from_its_logged_facts(
    ends: list[End],
) -> None:
    for decision in Life(cycle(ends)).run(20):
        line = {
            name: value for name, value in telemetry.record(decision).items() if value is not None
        }
        assert redecide(line).same


# --- what never ends a lineage


@settings(max_examples=20)
@given(st.lists(st.sampled_from(TRAINED), min_size=1, max_size=6), st.integers(3600, 100_000))
def test_no_count_ends_a_lineage_that_works_whatever_its_attempts_die_of(
    classes: list[FailureClass], lives: int
) -> None:
    """An eleven-day training of 24 h jobs, and one of three hundred spot instances."""
    ends = [End(one, commits=((5, "r1"),), lives=lives) for one in classes]
    decisions = Life(cycle(ends)).run(300)
    assert {one.reason for one in decisions} == {Reason.RESUMED_FROM_CHECKPOINT}
    assert len(decisions) == 300


@settings(max_examples=20)
@given(st.lists(st.sampled_from(OUTSIDE), min_size=1, max_size=4), st.integers(0, 4000))
def test_deaths_of_the_outside_end_a_lineage_only_by_what_they_cost(
    classes: list[FailureClass], lives: int
) -> None:
    saved = End(commits=((5, "r1"),))
    # No two are alike, so the text is believed.
    lost = [
        End(one, lives=lives, signature=f"{number:08x}")
        for number, one in enumerate(islice(cycle(classes), 5000))
    ]
    decisions = Life(iter([saved, *lost])).run()
    last = decisions[-1]
    assert last.verdict is Verdict.STOP
    assert last.rule in {"max_jobs", "max_lost_seconds", "max_failing"}
    assert all(one.successor.rejected == () for one in launches(decisions) if one.successor)
    cost = (trained(decisions) - 1) * lives
    enough = trained(decisions) > Policy().max_failing
    assert enough or cost > Policy().max_lost_seconds


@settings(max_examples=20)
@given(failure_class=st.sampled_from(OUTSIDE), lives=st.integers(100, 4000))
def test_deaths_of_the_outside_that_are_all_alike_are_a_persons_after_a_few_and_told_before(
    failure_class: FailureClass, lives: int
) -> None:
    """The text is wrong, for nothing outside dies five times after the same time."""
    saved = End(commits=((4, "r1"), (5, "r1")))
    decisions = Life(iter([saved, *[End(failure_class, lives=lives)] * 100])).run()
    last = decisions[-1]
    assert last.reason in {Reason.FAILED_AGAIN_AT_SAME_STEP, Reason.NO_PROGRESS}
    assert trained(decisions) - 1 <= 6
    told = [one for one in decisions if reporting.notifies(one) and one.verdict is Verdict.WAIT]
    assert any(one.reason is Reason.FAILING_ALIKE for one in told)
    assert not any(one.reason is Reason.WALKED_BACK for one in launches(decisions))
    waited = last.facts.observed_at - decisions[1].facts.observed_at
    assert waited > 8 * 3600


def test_half_an_hour_of_failing_starts_ends_nothing() -> None:
    """Five InternalServerErrors alike; then AWS is well again."""
    saved = End(commits=((5, "r1"),))
    incident = [End(FailureClass.INFRASTRUCTURE, lives=60)] * 5
    well = End(FailureClass.INTERRUPTED, commits=((5, "r1"),), lives=7200)
    decisions = Life(iter([saved, *incident, *[well] * 20])).run(25)
    assert {one.verdict for one in decisions} == {Verdict.RELAUNCH, Verdict.WAIT}
    assert not any(one.successor.rejected for one in launches(decisions) if one.successor)


@settings(max_examples=20)
@given(classes=st.lists(st.sampled_from(TRAINED), min_size=1, max_size=6), load_error=st.booleans())
def test_attempts_that_never_start_are_waited_for_ever_more_seldom_and_cost_nothing(
    classes: list[FailureClass], *, load_error: bool
) -> None:
    saved = End(commits=((5, "r1"),))
    ends = [End(one, started=False, load_error=load_error) for one in classes]
    decisions = Life(iter([saved, *islice(cycle(ends), 5000)])).run(1200)
    assert decisions[-1].verdict is not Verdict.STOP
    ledgers = {one.successor.ledger for one in launches(decisions) if one.successor}
    assert len(ledgers) == 1
    assert not any(one.successor.rejected for one in launches(decisions) if one.successor)
    waited = decisions[-1].facts.observed_at - decisions[-501].facts.observed_at
    assert waited > 500 * Policy().backoff_max_seconds / 8


# --- what ends one


@settings(max_examples=20)
@given(failure_class=st.sampled_from([*PROGRAM, *LIMIT]), saved=st.booleans())
def test_a_lineage_that_dies_at_one_place_ends_after_three_attempts_at_the_most(
    failure_class: FailureClass, *, saved: bool
) -> None:
    """Leaky loop, poisoned checkpoint, broken script: three at that place, with the first."""
    twice = End(commits=((5, "r1"), (9, "r1")), lives=7200)
    bug = End(failure_class, lives=700)
    decisions = Life(iter([*[twice] * saved, *[bug] * 40])).run()
    assert decisions[-1].verdict is Verdict.STOP
    assert trained(decisions) - saved <= 3


def test_a_program_that_dies_at_each_step_that_it_reaches_goes_on() -> None:
    """A leak: out of memory after every 5 steps. It works, and so it is resumed."""
    leak = End(FailureClass.OUT_OF_MEMORY, commits=((5, "r1"),), lives=3600)
    decisions = Life(cycle([leak])).run(200)
    assert {one.reason for one in decisions} == {Reason.RESUMED_FROM_CHECKPOINT}


def test_a_poisoned_checkpoint_is_walked_back_from_once_and_the_lineage_goes_on() -> None:
    saved = End(commits=((5, "r1"), (9, "r1")), lives=7200)
    poisoned = End(FailureClass.USER_CODE)
    healthy = End(FailureClass.INTERRUPTED, commits=((40, "r1"),), lives=7200)
    decisions = Life(iter([saved, poisoned, poisoned, *[healthy] * 30])).run(20)
    steps = [one.reason for one in decisions[:6]]
    assert steps == [
        Reason.RESUMED_FROM_CHECKPOINT,
        Reason.RESUMED_FROM_CHECKPOINT,
        Reason.FAILING_AGAIN,
        Reason.WALKED_BACK,
        Reason.RESUMED_FROM_CHECKPOINT,
        Reason.RESUMED_FROM_CHECKPOINT,
    ]


def test_an_incident_that_reads_like_a_bug_is_over_before_the_bugs_third_try() -> None:
    """The confirmed death waits a quarter of an hour before the next."""
    saved = End(commits=((5, "r1"), (9, "r1")), lives=7200)
    decisions = Life(iter([saved, *[End(FailureClass.USER_CODE, lives=60)] * 9])).run()
    died = [one.facts.observed_at for one in decisions if one.verdict is not Verdict.WAIT]
    assert died[3] - died[1] >= 900


# --- waiting


@settings(max_examples=20)
@given(
    lookup=st.sampled_from([Lookup.UNAVAILABLE, Lookup.REFUSED, None]),
    worked=st.booleans(),
    failure_class=st.sampled_from(AT_ONCE),
)
def test_a_wait_of_any_length_ends_as_it_would_have_without(
    lookup: Lookup | None, *, worked: bool, failure_class: FailureClass
) -> None:
    saved = End(commits=((5, "r1"),), lives=7200)
    end = End(failure_class, commits=((5, "r1"),) * worked)
    undisturbed = Life(iter([saved, end, end])).run(2)[-1]
    away = replace(end, lookup=lookup or Lookup.FOUND)
    if lookup is None:
        away = replace(away, refusal=FailureClass.QUOTA)
    decisions = Life(iter([saved, away, *[away] * 400, *[end] * 10])).run(403)
    waits, last = decisions[1:-1], decisions[-1]
    assert {one.verdict for one in waits} == {Verdict.WAIT}
    assert waits[-1].facts.observed_at - waits[0].facts.observed_at > 5 * DAY
    assert (last.verdict, last.reason) == (undisturbed.verdict, undisturbed.reason)
    if last.successor and undisturbed.successor:
        assert last.successor.ledger == undisturbed.successor.ledger
