"""Whatever the facts: one decision, the same again, and none that the rules could not give."""

from dataclasses import replace

from hypothesis import given, settings

from resilience.decide import policy, reporting
from resilience.decide.decisions import Facts, Lookup, Mode, Progress, Reason, Succession, Verdict
from resilience.failures import Blame, FailureClass, row
from tests.unit.lineages import NOW, outcome
from tests.unit.strategies import FACTS, FAILED_FACTS

RELAUNCH, WAIT, STOP, IGNORE = Verdict


@settings(max_examples=400)
@given(FACTS)
def test_every_combination_of_facts_has_one_decision_and_always_the_same(facts: Facts) -> None:
    decision = policy.decide(facts)
    assert policy.decide(facts) == decision
    assert decision.facts == facts
    assert (decision.successor is not None) is (decision.verdict is RELAUNCH)
    assert (decision.due is not None) is (decision.verdict is WAIT)
    assert (decision.waiting is not None) is (decision.verdict is WAIT)
    assert reporting.what_comes_next(decision)
    assert reporting.notifies(decision) or decision.verdict is not STOP
    if decision.due is not None:
        assert decision.due > facts.observed_at
    if decision.successor is not None and facts.succession is not Succession.OURS:
        assert facts.request is not None
    if decision.successor is not None and facts.lineage is not None:
        assert decision.successor.attempt == facts.lineage.attempt + 1
        assert decision.successor.root == facts.lineage.root
        assert decision.successor.parent == facts.job


@settings(max_examples=150)
@given(FACTS)
def test_nothing_is_launched_or_awaited_but_for_an_ended_allowed_job_of_nobody_elses(
    facts: Facts,
) -> None:
    decision = policy.decide(facts)
    if decision.verdict in {RELAUNCH, WAIT}:
        assert facts.mode is not Mode.OFF
        assert facts.status in {"Completed", "Failed", "Stopped"}
        assert facts.project_allowed
        assert facts.owner is None
        assert facts.contradictions == () or facts.succession is Succession.OURS
        assert facts.failure_class not in {None, FailureClass.STOPPED_BY_USER}
        assert facts.recorded is None or facts.recorded.verdict == WAIT


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_nothing_is_launched_beside_another_writer_of_the_run(facts: Facts) -> None:
    times = {"created_at": NOW - 4000, "ended_at": NOW - 600, "heartbeat_at": NOW - 5}
    assert policy.decide(replace(facts, **times)).verdict is not RELAUNCH  # type: ignore[arg-type]  # dataclasses.replace checks the names


@settings(max_examples=150)
@given(FACTS)
def test_whether_wandb_is_asked_is_decided_before_it_is(facts: Facts) -> None:
    if not policy.needs_checkpoints(facts):
        unasked = replace(facts, lookup=Lookup.NOT_ASKED, checkpoints=())
        assert outcome(policy.decide(facts)) == outcome(policy.decide(unasked))


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_a_successor_starts_from_the_best_there_is_or_says_why_not(facts: Facts) -> None:
    decision = policy.decide(facts)
    if decision.successor is None:
        return
    chosen = decision.successor.checkpoint
    if chosen is None:
        assert decision.reason is Reason.RESTARTED_FROM_BEGINNING
        assert not decision.successor.rejected
        assert decision.successor.ledger.best == -1
        return
    assert chosen.version not in decision.successor.rejected
    for one in facts.checkpoints:
        if one.step is not None and (chosen.step is None or one.step > chosen.step):
            assert one.version in dict(decision.passed_over)


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_what_advanced_is_stopped_by_no_count_but_the_last_ceiling(facts: Facts) -> None:
    decision = policy.decide(facts)
    if decision.progress is Progress.ADVANCED:
        assert decision.reason not in {Reason.NO_PROGRESS, Reason.FAILED_AGAIN_AT_SAME_STEP}
        assert decision.reason is not Reason.FAILING_AGAIN


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_the_outside_is_stopped_by_no_count_but_the_two_that_bound_its_cost(facts: Facts) -> None:
    assert facts.failure_class is not None
    if row(facts.failure_class).blame is not Blame.OUTSIDE:
        return
    decision = policy.decide(facts)
    if decision.reason in {Reason.NO_PROGRESS, Reason.ATTEMPTS_EXHAUSTED}:
        assert decision.rule in {"max_lost_seconds", "max_jobs", "max_failing"}
    assert decision.reason is not Reason.FAILED_AGAIN_AT_SAME_STEP


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_a_wait_that_stands_on_a_job_is_never_followed_by_a_shorter_count(facts: Facts) -> None:
    decision = policy.decide(facts)
    if decision.waiting is not None and facts.recorded is not None and facts.lineage is not None:
        before = facts.lineage.waiting
        assert before is None or decision.waiting.times == before.times + 1
