"""The few ways in which a lineage ends without its work being done."""

from dataclasses import replace

import pytest

from resilience.decide import policy
from resilience.decide.decisions import (
    Checkpoint,
    Policy,
    Reason,
    Verdict,
)
from resilience.failures import FailureClass
from tests.unit.lineages import (
    AT_ONCE,
    LIMIT,
    PROGRAM,
    V1,
    V2,
    attempt,
    decided,
    ended,
    waits,
)

RELAUNCH, WAIT, STOP, IGNORE = Verdict
WAITED = waits(Reason.FAILING_AGAIN)


@pytest.mark.parametrize("failure_class", [*PROGRAM, *LIMIT])
def test_attempts_in_a_row_without_work_end_whatever_they_die_of(
    failure_class: FailureClass,
) -> None:
    allowed = Policy().max_without_work - 1
    for before, verdict in ((allowed - 1, RELAUNCH), (allowed, STOP), (allowed + 1, STOP)):
        facts = ended(failure_class, V1, lineage=attempt(4, by_program=before))
        assert policy.decide(replace(facts, recorded=WAITED)).verdict is verdict
    decision = policy.decide(ended(failure_class, V1, lineage=attempt(4, by_program=allowed)))
    assert (decision.reason, decision.rule, decision.detail) == (
        Reason.NO_PROGRESS,
        "max_without_work",
        f"{allowed + 1} in a row, {allowed} allowed",
    )


@pytest.mark.parametrize("failure_class", [*PROGRAM, *LIMIT])
def test_the_second_in_a_row_without_work_is_tried_again_later(
    failure_class: FailureClass,
) -> None:
    facts = ended(failure_class, V1, lineage=attempt(4, by_program=1))
    assert decided(failure_class, V1, lineage=attempt(4))[0] is RELAUNCH
    assert policy.decide(facts).verdict is WAIT
    assert policy.decide(facts).reason is Reason.FAILING_AGAIN


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_a_program_that_dies_now_and_then_and_goes_on_may_do_so_twice_as_often_in_a_row(
    failure_class: FailureClass,
) -> None:
    most = 2 * Policy().max_without_work
    for before, verdict in ((most - 2, RELAUNCH), (most - 1, STOP)):
        ends = (("user_code", before + 2),)
        lineage = attempt(9, ends=ends, by_program=before)
        facts = ended(failure_class, V1, lineage=lineage, recorded=WAITED)
        assert policy.decide(facts).verdict is verdict
    elsewhere_once = attempt(9, ends=(("user_code", most - 1),), by_program=most - 2)
    assert decided(failure_class, V1, lineage=elsewhere_once, recorded=WAITED)[0] is STOP


@pytest.mark.parametrize("failure_class", AT_ONCE)
def test_so_many_attempts_in_a_row_without_work_are_a_days_tries_and_end_whatever_is_to_blame(
    failure_class: FailureClass,
) -> None:
    allowed = Policy().max_failing - 1
    decision = policy.decide(ended(failure_class, V1, lineage=attempt(4, without_work=allowed)))
    assert (decision.reason, decision.rule, decision.detail) == (
        Reason.NO_PROGRESS,
        "max_failing",
        f"{allowed + 1} in a row, {allowed} allowed",
    )
    one_less = ended(failure_class, V1, lineage=attempt(4, without_work=allowed - 1))
    assert policy.decide(one_less).verdict is RELAUNCH


def test_a_missing_right_is_waited_for_however_often() -> None:
    lineage = attempt(99, without_work=Policy().max_failing - 1, same=2)
    found = decided(FailureClass.PERMISSION, V1, lineage=lineage)
    assert found == (WAIT, Reason.ACCESS_DENIED)


def test_a_right_that_the_lineage_never_had_is_the_programs_to_mend() -> None:
    first = decided(FailureClass.PERMISSION)
    assert first == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)


@pytest.mark.parametrize("failure_class", AT_ONCE)
def test_time_that_came_to_nothing_is_bounded_whatever_takes_it(
    failure_class: FailureClass,
) -> None:
    most = Policy().max_lost_seconds
    for before, verdict in ((most - 600, RELAUNCH), (most - 599, STOP)):
        facts = ended(failure_class, V1, lineage=attempt(4, lost_seconds=before))
        assert policy.decide(facts).verdict is verdict
    decision = policy.decide(ended(failure_class, V1, lineage=attempt(4, lost_seconds=most)))
    assert (decision.reason, decision.rule, decision.detail) == (
        Reason.NO_PROGRESS,
        "max_lost_seconds",
        f"{most + 600} s without a checkpoint, {most} allowed",
    )


@pytest.mark.parametrize("failure_class", AT_ONCE)
@pytest.mark.parametrize("found", [(V1,), (V1, V2)], ids=["without work", "with work"])
def test_the_last_ceiling_is_over_all_attempts_that_did_not_pay(
    failure_class: FailureClass, found: tuple[Checkpoint, ...]
) -> None:
    most = Policy().max_jobs
    for before, verdict in ((most - 2, RELAUNCH), (most - 1, STOP)):
        facts = ended(failure_class, *found, lineage=attempt(120, unpaid=before))
        assert policy.decide(facts).verdict is verdict
    decision = policy.decide(ended(failure_class, *found, lineage=attempt(120, unpaid=most)))
    assert (decision.reason, decision.rule, decision.detail) == (
        Reason.ATTEMPTS_EXHAUSTED,
        "max_jobs",
        f"{most + 1} that did not pay for a successor, {most} allowed",
    )


def test_an_attempt_that_paid_is_none_of_them() -> None:
    lineage = attempt(400, unpaid=Policy().max_jobs - 1)
    assert decided(FailureClass.TIMEOUT, V1, V2, lineage=lineage, seconds=3600)[0] is RELAUNCH
