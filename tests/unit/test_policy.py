"""The policy, reason by reason: what comes back, what waits, what stops, and what is left alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from resilience import policy
from resilience.decisions import (
    Checkpoint,
    Decision,
    Facts,
    Judged,
    Lookup,
    Mode,
    Policy,
    Progress,
    Reason,
    Succession,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import FIRST, NOW, REQUEST, attempt, checkpoint, ended
from tests.unit.strategies import FACTS

RELAUNCH, WAIT, STOP, IGNORE = Verdict
V1, V2, V3 = checkpoint("v1", 10), checkpoint("v2", 20), checkpoint("v3", 30)
HOPEFUL = [
    FailureClass.INFRASTRUCTURE,
    FailureClass.INTERRUPTED,
    FailureClass.TIMEOUT,
    FailureClass.INCOMPLETE,
    FailureClass.USER_CODE,
    FailureClass.DATA,
    FailureClass.UNKNOWN,
]
CONFIRMED_ONCE = [FailureClass.USER_CODE, FailureClass.DATA, FailureClass.UNKNOWN]
COUNTED_NOT_TIMED = [*HOPEFUL]
NEVER_TRAINED = [FailureClass.CAPACITY, FailureClass.QUOTA]


def outcome(decision: Decision) -> tuple[Verdict, Reason]:
    return decision.verdict, decision.reason


def decided(
    failure_class: FailureClass | None, *found: Checkpoint, **more: object
) -> tuple[Verdict, Reason]:
    return outcome(policy.decide(ended(failure_class, *found, **more)))  # type: ignore[arg-type]


# --- left alone


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
        ({"judged": Judged(verdict="RELAUNCH", reason="x")}, Reason.ALREADY_JUDGED),
        ({"judged": Judged(verdict="STOP", reason="x")}, Reason.ALREADY_JUDGED),
        ({"judged": Judged(verdict="unknown", reason="x")}, Reason.ALREADY_JUDGED),
        ({"judged": Judged(verdict="WAIT", reason="x", due=NOW + 60)}, Reason.NOT_DUE),
        ({"failure_class": FailureClass.STOPPED_BY_USER}, Reason.STOPPED_BY_USER),
        ({"failure_class": None}, Reason.COMPLETED),
    ],
)
def test_what_is_not_ours_to_judge_is_left_alone(more: dict[str, object], reason: Reason) -> None:
    facts = replace(ended(FailureClass.INFRASTRUCTURE, V1), **more)  # type: ignore[arg-type]
    assert outcome(policy.decide(facts)) == (IGNORE, reason)


@pytest.mark.parametrize("how", ["Training", "Pending", "SomethingNew", "None"])
def test_a_termination_that_nothing_explains_stops_and_one_that_a_text_explains_does_not(
    how: str,
) -> None:
    unexplained = decided(FailureClass.UNKNOWN, V1, secondary_status=how)
    assert unexplained == (STOP, Reason.TERMINATION_UNKNOWN)
    assert decided(FailureClass.INFRASTRUCTURE, V1, secondary_status=how)[0] is RELAUNCH


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tags_invalid": True, "request": None}, Reason.TAGS_INVALID),
        ({"contradictions": ("WANDB_RUN_ID",)}, Reason.TAGS_CONTRADICT_LAUNCH),
        ({"lineage": None}, Reason.LINEAGE_TAGS_MALFORMED),
        ({"ended_at": NOW - 16 * 86_400}, Reason.ENDED_TOO_LONG_AGO),
    ],
)
def test_what_cannot_be_trusted_stops_and_wandb_is_not_asked(
    more: dict[str, object], reason: Reason
) -> None:
    facts = replace(ended(FailureClass.INFRASTRUCTURE, V1), **more)  # type: ignore[arg-type]
    assert outcome(policy.decide(facts)) == (STOP, reason)
    assert not policy.needs_checkpoints(facts)


def test_a_job_of_the_longest_age_still_comes_back_and_a_wait_of_any_age_does() -> None:
    age = Policy().max_age_days * 86_400
    oldest = decided(FailureClass.INFRASTRUCTURE, V1, ended_at=NOW - age)
    assert oldest[0] is RELAUNCH
    waits = Judged(verdict="WAIT", reason="wandb_refused", due=NOW)
    waited = decided(FailureClass.INFRASTRUCTURE, V1, ended_at=NOW - 3 * age, judged=waits)
    assert waited[0] is RELAUNCH


def test_a_job_whose_age_nobody_knows_is_not_taken_to_be_old() -> None:
    assert decided(FailureClass.INFRASTRUCTURE, V1, ended_at=None)[0] is RELAUNCH


@given(FACTS)
def test_no_facts_at_all_relaunch_what_a_person_stopped(facts: Facts) -> None:
    stopped = replace(facts, failure_class=FailureClass.STOPPED_BY_USER)
    assert policy.decide(stopped).verdict is not RELAUNCH


def test_a_verdict_to_wait_does_not_bring_back_what_a_person_stopped() -> None:
    waits = Judged(verdict="WAIT", reason="wandb_refused", due=NOW - 60)
    stopped = decided(FailureClass.STOPPED_BY_USER, V1, judged=waits)
    assert stopped == (IGNORE, Reason.STOPPED_BY_USER)


def test_nothing_is_restarted_beside_checkpoints_in_another_collection() -> None:
    facts = replace(ended(FailureClass.INFRASTRUCTURE), elsewhere=("model-other",))
    decision = policy.decide(facts)
    assert outcome(decision) == (STOP, Reason.CHECKPOINTS_ELSEWHERE)
    assert decision.detail == "model-other"


def test_nothing_is_restarted_where_nobody_told_which_run_makes_the_checkpoints() -> None:
    assert decided(FailureClass.INFRASTRUCTURE, run=None) == (STOP, Reason.RUN_UNKNOWN)


@pytest.mark.parametrize(("ahead", "verdict"), [(-1, RELAUNCH), (1, RELAUNCH), (2, IGNORE)])
def test_a_wait_is_over_when_it_is_due_give_or_take_the_second_that_clocks_are_cut_to(
    ahead: int, verdict: Verdict
) -> None:
    waits = Judged(verdict="WAIT", reason="wandb_unavailable", due=NOW + ahead)
    assert decided(FailureClass.INFRASTRUCTURE, V1, judged=waits)[0] is verdict


def test_wandb_is_asked_only_where_its_answer_can_matter() -> None:
    hopeful = ended(FailureClass.INFRASTRUCTURE)
    assert policy.needs_checkpoints(hopeful)
    for more in (
        {"failure_class": None},
        {"request": None},
        {"judged": Judged(verdict="STOP", reason="no_progress")},
        {"obstacles": ((Reason.LIMIT_REACHED, "Tags"),)},
    ):
        assert not policy.needs_checkpoints(replace(hopeful, **more))


def test_observing_decides_as_acting_does() -> None:
    facts = ended(FailureClass.INFRASTRUCTURE, V1)
    observed = policy.decide(replace(facts, mode=Mode.OBSERVE))
    assert replace(observed, facts=facts) == policy.decide(facts)


def test_a_job_that_a_person_stopped_stays_stopped_whatever_else_is_true() -> None:
    for found in ((), (V1,)):
        for lookup in Lookup:
            assert decided(FailureClass.STOPPED_BY_USER, *found, lookup=lookup) == (
                IGNORE,
                Reason.STOPPED_BY_USER,
            )


# --- at once


@pytest.mark.parametrize("failure_class", HOPEFUL)
def test_an_attempt_that_advanced_is_resumed_from_its_newest_checkpoint(
    failure_class: FailureClass,
) -> None:
    decision = policy.decide(ended(failure_class, V1, V2, V3, lineage=attempt(2)))
    assert outcome(decision) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert decision.successor is not None
    assert (decision.successor.name, decision.successor.checkpoint) == ("root-r3", V3)
    assert decision.successor.parent == "root-r2"


@pytest.mark.parametrize(
    "failure_class",
    [FailureClass.INFRASTRUCTURE, FailureClass.INTERRUPTED],
)
def test_what_dies_of_the_outside_before_its_first_checkpoint_starts_over(
    failure_class: FailureClass,
) -> None:
    decision = policy.decide(ended(failure_class))
    assert outcome(decision) == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)
    assert decision.successor is not None
    assert decision.successor.checkpoint is None


@pytest.mark.parametrize(
    "failure_class",
    [*CONFIRMED_ONCE, FailureClass.TIMEOUT, FailureClass.INCOMPLETE],
)
def test_what_dies_of_itself_before_its_first_checkpoint_stops(failure_class: FailureClass) -> None:
    assert decided(failure_class) == (STOP, Reason.NO_CHECKPOINT)


@pytest.mark.parametrize("failure_class", [FailureClass.INFRASTRUCTURE, FailureClass.CAPACITY])
def test_checkpoints_that_were_there_and_are_gone_are_for_a_person(
    failure_class: FailureClass,
) -> None:
    waited = Judged(verdict="WAIT", reason="capacity_unavailable", due=NOW)
    assert decided(failure_class, lineage=attempt(2), judged=waited) == (STOP, Reason.NO_CHECKPOINT)


def test_a_lineage_that_has_rejected_a_checkpoint_had_one() -> None:
    lineage = attempt(2, started_from=None, rejected=("v1",))
    assert decided(FailureClass.INFRASTRUCTURE, lineage=lineage) == (STOP, Reason.NO_CHECKPOINT)


# --- stops


@pytest.mark.parametrize(
    ("failure_class", "reason"),
    [
        (FailureClass.OUT_OF_MEMORY, Reason.OUT_OF_MEMORY),
        (FailureClass.PERMISSION, Reason.PERMISSION_DENIED),
        (FailureClass.CONFIGURATION, Reason.CONFIGURATION_INVALID),
    ],
)
def test_what_would_fail_again_stops_without_asking_wandb(
    failure_class: FailureClass, reason: Reason
) -> None:
    facts = ended(failure_class, lookup=Lookup.NOT_ASKED)
    assert not policy.needs_checkpoints(facts)
    assert outcome(policy.decide(facts)) == (STOP, reason)


def test_lineage_tags_that_cannot_be_read_stop() -> None:
    assert decided(FailureClass.INFRASTRUCTURE, V1, lineage=None) == (
        STOP,
        Reason.LINEAGE_TAGS_MALFORMED,
    )


@pytest.mark.parametrize(
    "reason",
    [
        Reason.NOT_CLONABLE,
        Reason.IMAGE_NOT_ALLOWED,
        Reason.ROLE_NOT_ALLOWED,
        Reason.LIMIT_REACHED,
    ],
)
def test_an_obstacle_stops_before_anything_is_asked_or_waited_for(reason: Reason) -> None:
    facts = ended(FailureClass.CAPACITY, obstacles=((reason, "which"),))
    assert not policy.needs_checkpoints(facts)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.detail) == (STOP, reason, "which")


# --- budgets


@pytest.mark.parametrize("failure_class", COUNTED_NOT_TIMED)
@pytest.mark.parametrize(("number", "verdict"), [(9, RELAUNCH), (10, STOP), (11, STOP)])
def test_ten_attempts_in_all_however_well_they_advance(
    failure_class: FailureClass, number: int, verdict: Verdict
) -> None:
    found = decided(failure_class, V1, V2, lineage=attempt(number))
    assert found[0] is verdict
    if verdict is STOP:
        assert found[1] is Reason.ATTEMPTS_EXHAUSTED


@pytest.mark.parametrize(("in_a_row", "verdict"), [(0, RELAUNCH), (1, RELAUNCH), (2, STOP)])
def test_the_third_end_in_a_row_without_progress_stops(in_a_row: int, verdict: Verdict) -> None:
    found = decided(FailureClass.INTERRUPTED, V1, lineage=attempt(4, without_progress=in_a_row))
    assert found[0] is verdict
    if verdict is STOP:
        assert found[1] is Reason.NO_PROGRESS


def test_an_advance_clears_what_counts_in_a_row_and_nothing_else() -> None:
    lineage = attempt(4, without_progress=2, ends=(("infrastructure", 2), ("timeout", 1)))
    decision = policy.decide(ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage))
    assert decision.successor is not None
    assert decision.successor.ledger.without_progress == 0
    assert decision.successor.ledger.ends == (("infrastructure", 3), ("timeout", 1))


def test_unknown_progress_neither_counts_nor_clears() -> None:
    lineage = attempt(4, without_progress=2)
    decision = policy.decide(
        ended(FailureClass.INFRASTRUCTURE, V1, checkpoint("v2", None), lineage=lineage)
    )
    assert decision.progress is Progress.UNKNOWN
    assert decision.successor is not None
    assert decision.successor.ledger.without_progress == 2


def test_a_regress_counts_as_no_progress() -> None:
    decision = policy.decide(
        ended(FailureClass.INFRASTRUCTURE, checkpoint("v0", 5), lineage=attempt(3))
    )
    assert decision.progress is Progress.REGRESSED
    assert decision.successor is not None
    assert decision.successor.ledger.without_progress == 1


@pytest.mark.parametrize("failure_class", COUNTED_NOT_TIMED)
def test_each_class_has_a_budget_of_its_own(failure_class: FailureClass) -> None:
    tight = replace(Policy(), **{f"max_{failure_class}": 1})
    first = ended(failure_class, V1, V2, lineage=attempt(3), policy=tight)
    assert policy.decide(first).verdict is RELAUNCH
    spent = attempt(3, ends=((str(failure_class), 1),))
    decision = policy.decide(replace(first, lineage=spent))
    assert outcome(decision) == (STOP, Reason.CLASS_BUDGET_EXHAUSTED)
    assert decision.rule == f"max_{failure_class}"


@pytest.mark.parametrize(
    ("failure_class", "ends"),
    [
        (FailureClass.USER_CODE, 3),
        (FailureClass.DATA, 3),
        (FailureClass.UNKNOWN, 3),
        (FailureClass.INCOMPLETE, 3),
    ],
)
def test_the_budgets_of_a_lineages_own_faults_are_small(
    failure_class: FailureClass, ends: int
) -> None:
    for before, verdict in ((ends - 1, RELAUNCH), (ends, STOP)):
        spent = attempt(6, ends=((str(failure_class), before),))
        assert decided(failure_class, V1, V2, lineage=spent)[0] is verdict


def test_jobs_that_never_got_a_machine_are_no_attempts() -> None:
    lineage = attempt(39, ends=(("capacity", 30), ("infrastructure", 8)))
    assert decided(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage)[0] is RELAUNCH


@pytest.mark.parametrize("failure_class", FailureClass)
def test_the_ceiling_over_all_jobs_is_not_reset_by_any_class(failure_class: FailureClass) -> None:
    if failure_class is FailureClass.STOPPED_BY_USER:
        return
    lineage = attempt(100, ends=(("capacity", 99),))
    waited = Judged(verdict="WAIT", reason="x", due=NOW)
    assert decided(failure_class, V1, V2, lineage=lineage, judged=waited)[0] is STOP


@pytest.mark.parametrize("failure_class", [*NEVER_TRAINED, FailureClass.OUT_OF_MEMORY])
def test_a_class_without_a_budget_of_its_own_has_the_lineages(failure_class: FailureClass) -> None:
    assert Policy(max_jobs=7).budget(failure_class) == 7


def test_the_next_attempt_measures_from_the_newest_version_that_was_there() -> None:
    behind = checkpoint("v7", 5)
    decision = policy.decide(ended(FailureClass.INFRASTRUCTURE, V1, V2, behind))
    assert decision.successor is not None
    assert (decision.successor.checkpoint, decision.successor.ledger.seen) == (V2, 7)


# --- one confirmation, and time limits


@pytest.mark.parametrize("failure_class", CONFIRMED_ONCE)
def test_the_same_end_at_the_same_step_stops(failure_class: FailureClass) -> None:
    again = attempt(3, ends=((str(failure_class), 1),))
    assert decided(failure_class, V1, lineage=again) == (STOP, Reason.FAILED_AGAIN_AT_SAME_STEP)


@pytest.mark.parametrize("failure_class", CONFIRMED_ONCE)
def test_there_is_no_confirmation_without_a_newer_checkpoint(failure_class: FailureClass) -> None:
    assert decided(failure_class, V1, lineage=attempt(2)) == (
        STOP,
        Reason.FAILED_AGAIN_AT_SAME_STEP,
    )


@pytest.mark.parametrize("failure_class", [*CONFIRMED_ONCE, FailureClass.TIMEOUT])
def test_a_newer_checkpoint_of_unknown_step_confirms_and_an_old_one_does_not(
    failure_class: FailureClass,
) -> None:
    old, new = checkpoint("v1", None), checkpoint("v2", None)
    lineage = attempt(2, started_step=None)
    assert decided(failure_class, old, new, lineage=lineage)[0] is RELAUNCH
    assert decided(failure_class, old, lineage=lineage)[0] is STOP


def test_a_time_limit_without_progress_stops() -> None:
    assert decided(FailureClass.TIMEOUT, V1, lineage=attempt(2)) == (STOP, Reason.NO_PROGRESS)


def test_an_incomplete_end_is_resumed_though_it_did_not_advance() -> None:
    assert decided(FailureClass.INCOMPLETE, V1, lineage=attempt(2))[0] is RELAUNCH


# --- walking back


def died_at_v2(failure_class: FailureClass, *, load_error: bool = False, before: int = 0) -> Facts:
    lineage = attempt(4, started_from="v2", started_step=20, at_checkpoint=before)
    return ended(failure_class, V1, V2, lineage=lineage, checkpoint_load_error=load_error)


def test_a_checkpoint_that_cannot_be_loaded_is_rejected_at_once() -> None:
    decision = policy.decide(died_at_v2(FailureClass.DATA, load_error=True))
    assert outcome(decision) == (RELAUNCH, Reason.WALKED_BACK)
    assert decision.successor is not None
    assert decision.successor.checkpoint == V1
    assert decision.successor.rejected == ("v2",)
    assert decision.passed_over == (("v2", "rejected"),)


def test_a_checkpoint_at_which_two_attempts_died_is_rejected() -> None:
    first = policy.decide(died_at_v2(FailureClass.INFRASTRUCTURE))
    assert outcome(first) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert first.successor is not None
    assert (first.successor.checkpoint, first.successor.ledger.at_checkpoint) == (V2, 1)
    second = policy.decide(died_at_v2(FailureClass.INFRASTRUCTURE, before=1))
    assert outcome(second) == (RELAUNCH, Reason.WALKED_BACK)
    assert second.successor is not None
    assert (second.successor.checkpoint, second.successor.ledger.at_checkpoint) == (V1, 0)


def test_a_checkpoint_of_unknown_step_can_be_learnt_to_be_bad_as_well() -> None:
    old, newest = checkpoint("v1", None), checkpoint("v2", None)
    lineage = attempt(4, started_from="v2", started_step=None, at_checkpoint=1)
    decision = policy.decide(ended(FailureClass.INFRASTRUCTURE, old, newest, lineage=lineage))
    assert outcome(decision) == (RELAUNCH, Reason.WALKED_BACK)
    assert decision.successor is not None
    assert decision.successor.checkpoint == old


@pytest.mark.parametrize("failure_class", [FailureClass.INTERRUPTED, FailureClass.CAPACITY])
def test_an_end_that_came_from_outside_is_no_evidence_against_a_checkpoint(
    failure_class: FailureClass,
) -> None:
    waited = Judged(verdict="WAIT", reason="capacity_unavailable", due=NOW)
    decision = policy.decide(replace(died_at_v2(failure_class, before=1), judged=waited))
    assert decision.successor is not None
    assert decision.successor.checkpoint == V2
    assert decision.successor.rejected == ()


def test_an_attempt_that_got_past_its_checkpoint_rejects_nothing() -> None:
    lineage = attempt(4, started_from="v2", started_step=20, at_checkpoint=1)
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, V3, lineage=lineage)
    for told in (False, True):
        decision = policy.decide(replace(facts, checkpoint_load_error=told))
        assert decision.successor is not None
        assert decision.successor.checkpoint == V3
        assert decision.successor.rejected == ()


def test_an_advance_forgives_the_checkpoint_that_an_alias_still_names() -> None:
    pinned = replace(REQUEST, alias="v2")
    lineage = attempt(4, started_from="v2", started_step=20, at_checkpoint=1)
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, V3, lineage=lineage, request=pinned)
    decision = policy.decide(facts)
    assert decision.successor is not None
    assert (decision.successor.checkpoint, decision.successor.ledger.at_checkpoint) == (V2, 0)


def test_walking_back_does_not_count_from_the_bad_checkpoint_again() -> None:
    lineage = attempt(5, started_from="v1", started_step=10, rejected=("v2",), seen=2)
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage)
    decision = policy.decide(facts)
    assert decision.progress is Progress.SAME
    assert decision.successor is not None
    assert decision.successor.checkpoint == V1
    assert decision.successor.rejected == ("v2",)


def test_when_every_checkpoint_is_rejected_a_person_must_look() -> None:
    lineage = attempt(5, rejected=("v2",), seen=2)
    facts = ended(FailureClass.DATA, V1, V2, lineage=lineage, checkpoint_load_error=True)
    decision = policy.decide(facts)
    assert outcome(decision) == (STOP, Reason.NO_CHECKPOINT)
    assert decision.passed_over == (("v2", "rejected"), ("v1", "rejected"))


def test_a_load_error_in_a_first_attempt_has_no_checkpoint_to_reject() -> None:
    decision = policy.decide(ended(FailureClass.DATA, V1, checkpoint_load_error=True))
    assert decision.successor is not None
    assert decision.successor.rejected == ()


def test_an_alias_that_is_wanted_and_missing_is_for_a_person() -> None:
    wanted = replace(REQUEST, alias="best")
    assert decided(FailureClass.INFRASTRUCTURE, V1, request=wanted) == (
        STOP,
        Reason.CHECKPOINT_ALIAS_MISSING,
    )
    assert decided(FailureClass.INFRASTRUCTURE, request=wanted) == (
        RELAUNCH,
        Reason.RESTARTED_FROM_BEGINNING,
    )


# --- waiting


@pytest.mark.parametrize(
    ("failure_class", "more", "reason"),
    [
        (FailureClass.CAPACITY, {}, Reason.CAPACITY_UNAVAILABLE),
        (FailureClass.QUOTA, {}, Reason.QUOTA_REACHED),
        (FailureClass.TIMEOUT, {"lookup": Lookup.UNAVAILABLE}, Reason.WANDB_UNAVAILABLE),
        (FailureClass.USER_CODE, {"lookup": Lookup.REFUSED}, Reason.WANDB_REFUSED),
        (FailureClass.CAPACITY, {"lookup": Lookup.UNAVAILABLE}, Reason.WANDB_UNAVAILABLE),
        (
            FailureClass.INFRASTRUCTURE,
            {"refusal": (FailureClass.QUOTA, "rule")},
            Reason.QUOTA_REACHED,
        ),
        (
            FailureClass.INFRASTRUCTURE,
            {"refusal": (FailureClass.CAPACITY, "rule")},
            Reason.CAPACITY_UNAVAILABLE,
        ),
        (
            FailureClass.INFRASTRUCTURE,
            {"refusal": (FailureClass.INFRASTRUCTURE, "rule")},
            Reason.THROTTLED,
        ),
    ],
)
def test_where_time_helps_it_waits_with_a_cause_and_a_due_time(
    failure_class: FailureClass, more: dict[str, object], reason: Reason
) -> None:
    decision = policy.decide(ended(failure_class, V1, lineage=attempt(2), **more))
    assert outcome(decision) == (WAIT, reason)
    assert decision.due is not None
    assert NOW < decision.due <= NOW + Policy().backoff_base_seconds
    assert decision.waiting == Waiting(times=1, since=NOW)


@pytest.mark.parametrize("failure_class", NEVER_TRAINED)
def test_what_has_waited_for_a_machine_may_try_whatever_it_waited_for(
    failure_class: FailureClass,
) -> None:
    for reason in ("capacity_unavailable", "wandb_unavailable", "throttled", "unknown"):
        waited = Judged(verdict="WAIT", reason=reason, due=NOW)
        assert decided(failure_class, V1, lineage=attempt(2), judged=waited) == (
            RELAUNCH,
            Reason.RESUMED_FROM_CHECKPOINT,
        )


def test_without_wandbs_answer_nothing_is_ever_launched_from_scratch() -> None:
    for lookup in (Lookup.UNAVAILABLE, Lookup.REFUSED, Lookup.NOT_ASKED):
        for lineage in (FIRST, attempt(2)):
            assert decided(FailureClass.INFRASTRUCTURE, lineage=lineage, lookup=lookup)[0] is WAIT


def test_the_back_off_doubles_up_to_its_longest_and_is_drawn_from_all_of_it() -> None:
    numbers = Policy(backoff_base_seconds=100, backoff_max_seconds=1000, wait_total_seconds=10**6)
    delays: dict[int, list[int]] = {}
    for times in range(8):
        for name in range(60):
            lineage = replace(attempt(2), waiting=Waiting(times, NOW))
            facts = ended(FailureClass.CAPACITY, lineage=lineage, policy=numbers)
            due = policy.decide(replace(facts, job=f"job-{name}")).due
            assert due is not None
            delays.setdefault(times, []).append(due - NOW)
    for times, drawn in delays.items():
        ceiling = min(1000, 100 * 2**times)
        assert 1 <= min(drawn) < ceiling * 0.25
        assert ceiling * 0.75 < max(drawn) <= ceiling


def test_the_shortest_wait_is_a_second() -> None:
    numbers = Policy(backoff_base_seconds=0, backoff_max_seconds=0)
    assert policy.decide(ended(FailureClass.CAPACITY, policy=numbers)).due == NOW + 1


def test_the_same_job_and_wait_draw_the_same_second_again() -> None:
    facts = ended(FailureClass.CAPACITY)
    assert policy.decide(facts).due == policy.decide(replace(facts)).due
    assert policy.decide(facts).due != policy.decide(replace(facts, job="another")).due


def test_a_wait_ends_after_its_total_time_not_after_a_count() -> None:
    total = Policy().wait_total_seconds
    for times, since, verdict in (
        (500, NOW - total + 1, WAIT),
        (0, NOW - total, STOP),
        (1, NOW - total - 1, STOP),
    ):
        lineage = replace(attempt(2), waiting=Waiting(times, since))
        decision = policy.decide(ended(FailureClass.CAPACITY, V1, lineage=lineage))
        assert decision.verdict is verdict
        if verdict is WAIT:
            assert decision.due == since + total
        else:
            assert decision.reason is Reason.WAIT_TIME_EXHAUSTED


def test_a_wait_that_began_in_the_future_is_another_clocks_and_is_not_stretched() -> None:
    lineage = replace(attempt(2), waiting=Waiting(1, NOW + 10**7))
    decision = policy.decide(ended(FailureClass.CAPACITY, V1, lineage=lineage))
    assert decision.waiting == Waiting(2, NOW)


def test_a_schedule_that_an_earlier_try_has_set_keeps_its_time() -> None:
    facts = ended(FailureClass.CAPACITY)
    assert policy.decide(replace(facts, scheduled=NOW + 7)).due == NOW + 7
    assert policy.decide(replace(facts, scheduled=NOW - 7)).due == NOW + 1


def test_a_wait_for_a_machine_goes_on_over_attempts_that_never_got_one() -> None:
    began = Waiting(3, NOW - 500)
    waited = Judged(verdict="WAIT", reason="capacity_unavailable", due=NOW)
    lineage = replace(attempt(2), waiting=began)
    tried = policy.decide(ended(FailureClass.CAPACITY, V1, lineage=lineage, judged=waited))
    assert tried.successor is not None
    assert tried.successor.waiting == began


def test_an_attempt_that_trained_has_ended_the_wait() -> None:
    lineage = replace(attempt(2), waiting=Waiting(3, NOW - 10**6))
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, lineage=lineage)
    relaunched = policy.decide(facts)
    assert relaunched.successor is not None
    assert relaunched.successor.waiting is None
    assert policy.decide(replace(facts, lookup=Lookup.UNAVAILABLE)).waiting == Waiting(1, NOW)


# --- what was learnt while acting


@pytest.mark.parametrize("failure_class", [*HOPEFUL, *NEVER_TRAINED, FailureClass.OUT_OF_MEMORY])
def test_a_successor_that_is_there_already_settles_it(failure_class: FailureClass) -> None:
    ours = policy.decide(ended(failure_class, succession=Succession.OURS))
    assert outcome(ours) == (RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert ours.successor is not None
    assert ours.successor.ledger.count(str(failure_class)) == 1
    assert decided(failure_class, succession=Succession.FOREIGN) == (STOP, Reason.NAME_TAKEN)
    taken = policy.decide(ended(failure_class, lineage=attempt(3), succession=Succession.FOREIGN))
    assert taken.detail == "root-r4"


@pytest.mark.parametrize(
    "refused",
    [FailureClass.CONFIGURATION, FailureClass.UNKNOWN, FailureClass.USER_CODE],
)
def test_a_request_that_sagemaker_refuses_for_good_stops(refused: FailureClass) -> None:
    decision = policy.decide(ended(FailureClass.INFRASTRUCTURE, V1, refusal=(refused, "the_rule")))
    assert (*outcome(decision), decision.rule) == (STOP, Reason.REQUEST_REJECTED, "the_rule")


def test_a_create_that_the_controller_may_not_make_waits_for_the_permission() -> None:
    refusal = (FailureClass.PERMISSION, "the_rule")
    decision = policy.decide(ended(FailureClass.INFRASTRUCTURE, V1, refusal=refusal))
    assert outcome(decision) == (WAIT, Reason.CREATE_DENIED)


# --- what an operator is told

INFRASTRUCTURE, CAPACITY = FailureClass.INFRASTRUCTURE, FailureClass.CAPACITY
WAITED_A_DAY = replace(attempt(2), waiting=Waiting(9, NOW - 86_400))
NAMED = replace(REQUEST, alias="best")


@pytest.mark.parametrize(
    ("facts", "reason", "rule", "detail"),
    [
        (ended(None), Reason.COMPLETED, "completed", ""),
        (ended(INFRASTRUCTURE, mode=Mode.OFF), Reason.MODE_OFF, "mode_off", ""),
        (
            ended(INFRASTRUCTURE, lineage=None),
            Reason.LINEAGE_TAGS_MALFORMED,
            "lineage_tags_malformed",
            "",
        ),
        (ended(FailureClass.OUT_OF_MEMORY), Reason.OUT_OF_MEMORY, "some_rule", ""),
        (
            ended(CAPACITY, obstacles=((Reason.NOT_CLONABLE, "X"),)),
            Reason.NOT_CLONABLE,
            "not_clonable",
            "X",
        ),
        (
            ended(INFRASTRUCTURE, succession=Succession.OURS),
            Reason.ALREADY_RELAUNCHED,
            "adjudication",
            "root-r2",
        ),
        (
            ended(INFRASTRUCTURE, succession=Succession.FOREIGN),
            Reason.NAME_TAKEN,
            "adjudication",
            "root-r2",
        ),
        (
            ended(INFRASTRUCTURE, refusal=(FailureClass.DATA, "refused")),
            Reason.REQUEST_REJECTED,
            "refused",
            "",
        ),
        (
            ended(INFRASTRUCTURE, refusal=(FailureClass.QUOTA, "refused")),
            Reason.QUOTA_REACHED,
            "refused",
            "",
        ),
        (
            ended(INFRASTRUCTURE, V1, V2, lineage=attempt(10)),
            Reason.ATTEMPTS_EXHAUSTED,
            "max_attempts",
            "of 10",
        ),
        (
            ended(CAPACITY, V1, V2, lineage=attempt(100)),
            Reason.ATTEMPTS_EXHAUSTED,
            "max_jobs",
            "of 100",
        ),
        (
            ended(INFRASTRUCTURE, V1, lineage=attempt(4, without_progress=3)),
            Reason.NO_PROGRESS,
            "max_without_progress",
            "4 in a row",
        ),
        (
            ended(FailureClass.DATA, V1, V2, lineage=attempt(5, ends=(("data", 3),))),
            Reason.CLASS_BUDGET_EXHAUSTED,
            "max_data",
            "of 3",
        ),
        (
            ended(INFRASTRUCTURE, lookup=Lookup.UNAVAILABLE),
            Reason.WANDB_UNAVAILABLE,
            "wandb_unavailable",
            "",
        ),
        (ended(INFRASTRUCTURE, lookup=Lookup.REFUSED), Reason.WANDB_REFUSED, "wandb_refused", ""),
        (ended(CAPACITY), Reason.CAPACITY_UNAVAILABLE, "some_rule", ""),
        (
            ended(CAPACITY, V1, lineage=WAITED_A_DAY),
            Reason.WAIT_TIME_EXHAUSTED,
            "some_rule",
            "after 86400 s",
        ),
        (
            ended(INFRASTRUCTURE, V1, request=NAMED),
            Reason.CHECKPOINT_ALIAS_MISSING,
            "choose",
            "",
        ),
        (ended(INFRASTRUCTURE, lineage=attempt(2)), Reason.NO_CHECKPOINT, "choose", ""),
        (
            ended(FailureClass.DATA, V1, lineage=attempt(2)),
            Reason.FAILED_AGAIN_AT_SAME_STEP,
            "some_rule",
            "",
        ),
        (
            ended(FailureClass.TIMEOUT, V1, lineage=attempt(2)),
            Reason.NO_PROGRESS,
            "timeout_without_progress",
            "",
        ),
        (ended(INFRASTRUCTURE, V1), Reason.RESUMED_FROM_CHECKPOINT, "some_rule", ""),
    ],
)
def test_each_verdict_names_the_rule_that_decided_and_the_number_that_was_reached(
    facts: Facts, reason: Reason, rule: str, detail: str
) -> None:
    decision = policy.decide(facts)
    assert (decision.reason, decision.rule, decision.detail) == (reason, rule, detail)


def test_each_verdict_says_what_comes_next() -> None:
    relaunched = policy.decide(ended(FailureClass.INFRASTRUCTURE, V1))
    assert policy.what_comes_next(relaunched) == "root-r2 continues; nothing to do"
    waits = policy.decide(ended(FailureClass.CAPACITY))
    assert policy.what_comes_next(waits).startswith("looked at again at 2027-01-15T08:0")
    stopped = policy.decide(ended(FailureClass.OUT_OF_MEMORY))
    assert policy.what_comes_next(stopped) == ("a person must act: docs/runbook.md#out_of_memory")
    assert policy.what_comes_next(policy.decide(ended(None))) == "nothing to do"


def test_what_comes_next_is_told_though_no_successor_or_time_is_named() -> None:
    relaunched = policy.decide(ended(INFRASTRUCTURE, V1))
    assert policy.what_comes_next(replace(relaunched, successor=None)) == (
        "the successor continues; nothing to do"
    )
    waits = policy.decide(ended(CAPACITY))
    assert policy.what_comes_next(replace(waits, due=None)) == (
        "looked at again later; nothing to do"
    )


# --- whatever the facts


@settings(max_examples=400)
@given(FACTS)
def test_every_combination_of_facts_has_one_decision_and_always_the_same(facts: Facts) -> None:
    decision = policy.decide(facts)
    assert policy.decide(facts) == decision
    assert decision.facts == facts
    assert (decision.successor is not None) is (decision.verdict is RELAUNCH)
    assert (decision.due is not None) is (decision.verdict is WAIT)
    assert (decision.waiting is not None) is (decision.verdict is WAIT)
    assert policy.what_comes_next(decision)
    if decision.due is not None:
        assert decision.due > facts.observed_at
    if decision.successor is not None and facts.lineage is not None:
        assert decision.successor.attempt == facts.lineage.attempt + 1
        assert decision.successor.root == facts.lineage.root
        assert decision.successor.parent == facts.job


@settings(max_examples=150)
@given(FACTS)
def test_nothing_is_launched_or_awaited_but_for_an_ended_unjudged_allowed_job(
    facts: Facts,
) -> None:
    decision = policy.decide(facts)
    if decision.verdict in {RELAUNCH, WAIT}:
        assert facts.mode is not Mode.OFF
        assert facts.status in {"Completed", "Failed", "Stopped"}
        assert facts.project_allowed
        assert facts.owner is None
        assert facts.failure_class not in {None, FailureClass.STOPPED_BY_USER}
        assert facts.judged is None or facts.judged.verdict == WAIT


@settings(max_examples=150)
@given(FACTS)
def test_whether_wandb_is_asked_is_decided_before_it_is(facts: Facts) -> None:
    if not policy.needs_checkpoints(facts):
        unasked = replace(facts, lookup=Lookup.NOT_ASKED, checkpoints=())
        assert outcome(policy.decide(facts)) == outcome(policy.decide(unasked))


@settings(max_examples=150)
@given(FACTS)
def test_a_successor_starts_from_the_best_there_is_or_says_why_not(facts: Facts) -> None:
    decision = policy.decide(facts)
    if decision.successor is None or decision.reason is Reason.ALREADY_RELAUNCHED:
        return
    chosen = decision.successor.checkpoint
    if chosen is None:
        assert decision.reason is Reason.RESTARTED_FROM_BEGINNING
        assert not decision.successor.rejected
        return
    for one in facts.checkpoints:
        if one.step is not None and (chosen.step is None or one.step > chosen.step):
            assert one.version in dict(decision.passed_over)
