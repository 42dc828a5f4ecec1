"""What is left alone, what is distrusted, and when W&B is not even asked."""

from dataclasses import replace

import pytest
from hypothesis import given

from resilience.decide import policy
from resilience.decide.decisions import Facts, Lookup, Mode, Policy, Reason, Recorded, Verdict
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, V1, changed, decided, ended, outcome, waits
from tests.unit.strategies import FACTS

DAY = 86_400
INFRASTRUCTURE = FailureClass.INFRASTRUCTURE
RELAUNCH, WAIT, STOP, IGNORE = Verdict


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"mode": Mode.OFF}, Reason.MODE_OFF),
        ({"status": "InProgress"}, Reason.NOT_ENDED),
        ({"status": "Stopping"}, Reason.NOT_ENDED),
        ({"status": "Deleting"}, Reason.NOT_ENDED),
        ({"status": "Paused"}, Reason.STATUS_UNKNOWN),
        ({"status": "None"}, Reason.STATUS_UNKNOWN),
        ({"request": None}, Reason.NOT_OPTED_IN),
        ({"owner": "TuningJobArn"}, Reason.OWNED_ELSEWHERE),
        ({"project_allowed": False}, Reason.PROJECT_NOT_ALLOWED),
        ({"recorded": Recorded(verdict="RELAUNCH", reason="x")}, Reason.ALREADY_DECIDED),
        ({"recorded": Recorded(verdict="STOP", reason="x")}, Reason.ALREADY_DECIDED),
        ({"recorded": Recorded(verdict="IGNORE", reason="x")}, Reason.ALREADY_DECIDED),
        ({"recorded": Recorded(verdict="unknown", reason="x")}, Reason.ALREADY_DECIDED),
        ({"recorded": waits(due=NOW + 60)}, Reason.NOT_DUE),
        ({"failure_class": FailureClass.STOPPED_BY_USER}, Reason.STOPPED_BY_USER),
        ({"failure_class": None, "failure_rule": "completed"}, Reason.COMPLETED),
    ],
)
def test_what_is_not_ours_to_decide_on_is_left_alone_and_wandb_is_not_asked(
    more: dict[str, object], reason: Reason
) -> None:
    facts = changed(ended(INFRASTRUCTURE, V1), **more)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (IGNORE, reason, str(reason))
    assert decision.facts == facts
    assert not policy.needs_checkpoints(facts)


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_job_that_has_ended_in_any_way_is_ours(status: str) -> None:
    facts = ended(FailureClass.INCOMPLETE, V1, status=status, secondary_status=status)
    assert policy.decide(facts).verdict is RELAUNCH
    assert policy.needs_checkpoints(facts)


@pytest.mark.parametrize(("ahead", "verdict"), [(-1, RELAUNCH), (1, RELAUNCH), (2, IGNORE)])
def test_a_wait_is_over_when_it_is_due_give_or_take_the_second_that_clocks_are_cut_to(
    ahead: int, verdict: Verdict
) -> None:
    assert decided(INFRASTRUCTURE, V1, recorded=waits(due=NOW + ahead))[0] is verdict


def test_a_wait_whose_due_time_nobody_can_read_is_due() -> None:
    assert decided(INFRASTRUCTURE, V1, recorded=waits(due=None))[0] is RELAUNCH


# --- what a person stopped


@given(FACTS)
def test_no_facts_at_all_relaunch_what_a_person_stopped(facts: Facts) -> None:
    stopped = replace(facts, failure_class=FailureClass.STOPPED_BY_USER)
    decision = policy.decide(stopped)
    assert decision.verdict in {IGNORE, STOP}
    assert not policy.needs_checkpoints(stopped)


@pytest.mark.parametrize("rule", ["interrupted_by_hand", "stop_mentioned"])
@given(FACTS)
def test_what_only_a_text_calls_a_persons_stop_never_comes_back_and_never_ends_in_silence(
    rule: str, facts: Facts
) -> None:
    said = replace(facts, failure_class=FailureClass.STOPPED_BY_USER, failure_rule=rule)
    decision = policy.decide(said)
    assert decision.verdict in {IGNORE, STOP}
    assert (decision.verdict, decision.reason) != (IGNORE, Reason.STOPPED_BY_USER)
    found = decided(FailureClass.STOPPED_BY_USER, V1, failure_rule=rule)
    assert found == (STOP, Reason.STOPPED_BY_USER)


@pytest.mark.parametrize("lookup", Lookup)
@pytest.mark.parametrize("due", [NOW - 60, NOW + 60, None])
def test_a_verdict_to_wait_does_not_bring_back_what_a_person_stopped(
    due: int | None, lookup: Lookup
) -> None:
    stopped = decided(FailureClass.STOPPED_BY_USER, V1, recorded=waits(due=due), lookup=lookup)
    assert stopped == (IGNORE, Reason.STOPPED_BY_USER)


def test_a_verdict_that_stands_says_more_than_a_stop_that_came_before_it() -> None:
    relaunched = Recorded(verdict="RELAUNCH", reason="resumed_from_checkpoint")
    found = decided(FailureClass.STOPPED_BY_USER, V1, recorded=relaunched)
    assert found == (IGNORE, Reason.ALREADY_DECIDED)


# --- what cannot be trusted


@pytest.mark.parametrize(
    ("more", "reason", "detail"),
    [
        ({"tags_invalid": True, "request": None}, Reason.TAGS_INVALID, ""),
        (
            {"tags_invalid": True, "request": None, "project_allowed": False},
            Reason.TAGS_INVALID,
            "",
        ),
        (
            {"contradictions": ("WANDB_RUN_ID", "resilience:root")},
            Reason.TAGS_CONTRADICT_LAUNCH,
            "WANDB_RUN_ID, resilience:root",
        ),
        ({"lineage": None}, Reason.LINEAGE_TAGS_MALFORMED, ""),
        (
            {"ended_at": NOW - 16 * DAY - 5},
            Reason.ENDED_TOO_LONG_AGO,
            "16 days ago, 15 allowed",
        ),
        (
            {"failure_class": FailureClass.UNKNOWN, "secondary_status": "SomethingNew"},
            Reason.TERMINATION_UNKNOWN,
            "",
        ),
    ],
)
def test_what_cannot_be_trusted_stops_with_what_a_person_has_to_look_at(
    more: dict[str, object], reason: Reason, detail: str
) -> None:
    facts = changed(ended(INFRASTRUCTURE, V1), **more)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.detail) == (STOP, reason, detail)
    assert (decision.rule, decision.facts) == (str(reason), facts)
    assert not policy.needs_checkpoints(facts)


def test_a_completion_that_the_launch_contradicts_is_for_a_person_and_any_other_is_believed() -> (
    None
):
    claimed = ended(None, contradictions=("resilience:completed",))
    assert outcome(policy.decide(claimed)) == (STOP, Reason.TAGS_CONTRADICT_LAUNCH)
    for more in ({"lineage": None}, {"ended_at": NOW - 100 * DAY}, {"secondary_status": "New"}):
        facts = changed(ended(None), **more)
        decision = policy.decide(facts)
        assert (*outcome(decision), decision.rule) == (IGNORE, Reason.COMPLETED, "completed")


@pytest.mark.parametrize("how", ["Training", "Pending", "SomethingNew", "None"])
def test_a_termination_that_nothing_explains_stops_and_one_that_a_text_explains_does_not(
    how: str,
) -> None:
    unexplained = decided(FailureClass.UNKNOWN, V1, secondary_status=how)
    assert unexplained == (STOP, Reason.TERMINATION_UNKNOWN)
    assert decided(INFRASTRUCTURE, V1, secondary_status=how)[0] is RELAUNCH


@pytest.mark.parametrize(
    "how",
    [
        "Completed",
        "Failed",
        "Stopped",
        "Interrupted",
        "MaxRuntimeExceeded",
        "MaxWaitTimeExceeded",
    ],
)
def test_an_end_that_sagemaker_documents_is_no_unknown_termination(how: str) -> None:
    assert decided(FailureClass.UNKNOWN, V1, secondary_status=how)[0] is RELAUNCH


def test_a_job_of_the_longest_age_still_comes_back_and_one_a_second_older_does_not() -> None:
    age = Policy().max_age_days * DAY
    assert decided(INFRASTRUCTURE, V1, ended_at=NOW - age)[0] is RELAUNCH
    older = decided(INFRASTRUCTURE, V1, ended_at=NOW - age - 1)
    assert older == (STOP, Reason.ENDED_TOO_LONG_AGO)


def test_a_wait_comes_back_however_old_its_job_is() -> None:
    old = NOW - 3 * Policy().max_age_days * DAY
    assert decided(INFRASTRUCTURE, V1, ended_at=old, recorded=waits())[0] is RELAUNCH


def test_a_job_whose_age_nobody_knows_is_not_taken_to_be_old() -> None:
    assert decided(INFRASTRUCTURE, V1, ended_at=None)[0] is RELAUNCH


# --- when W&B is asked


def test_wandb_is_asked_only_where_its_answer_can_matter() -> None:
    hopeful = ended(INFRASTRUCTURE)
    assert policy.needs_checkpoints(hopeful)
    assert policy.needs_checkpoints(replace(hopeful, recorded=waits()))
    blocked = replace(hopeful, obstacles=((Reason.LIMIT_REACHED, "Tags"),))
    assert not policy.needs_checkpoints(blocked)


def test_observing_decides_as_acting_does() -> None:
    facts = ended(INFRASTRUCTURE, V1)
    observed = policy.decide(replace(facts, mode=Mode.OBSERVE))
    assert replace(observed, facts=facts) == policy.decide(facts)
