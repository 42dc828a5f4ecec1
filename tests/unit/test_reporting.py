"""What a person is notified of, and how often; and what each verdict says comes next."""

from dataclasses import replace

import pytest

from resilience.decide import policy, reporting
from resilience.decide.decisions import (
    Decision,
    Facts,
    Lookup,
    Mode,
    Policy,
    Reason,
    Recorded,
    Succession,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, V1, V2, attempt, ended, waits

DAY = 86_400
CAPACITY, INFRASTRUCTURE = FailureClass.CAPACITY, FailureClass.INFRASTRUCTURE
TRAINED_BEFORE = attempt(2, ends=(("infrastructure", 1),))
FOR_A_PERSON = {
    Reason.WANDB_REFUSED: ended(INFRASTRUCTURE, lookup=Lookup.REFUSED),
    Reason.CREATE_DENIED: ended(INFRASTRUCTURE, V1, refusal=(FailureClass.PERMISSION, "refused")),
    Reason.START_REFUSED: ended(FailureClass.PERMISSION, lineage=TRAINED_BEFORE, started=False),
    Reason.ACCESS_DENIED: ended(FailureClass.PERMISSION, V1, lineage=TRAINED_BEFORE),
    Reason.FAILING_ALIKE: ended(
        INFRASTRUCTURE,
        V1,
        lineage=attempt(7, same=4, place="b59affa0", best=10, waiting=Waiting(4, NOW - 900)),
    ),
    Reason.RUN_IN_USE: ended(INFRASTRUCTURE, V1, ended_at=NOW - 600, heartbeat_at=NOW - 30),
}
FOR_TIME = {
    Reason.CAPACITY_UNAVAILABLE: ended(CAPACITY, started=False),
    Reason.QUOTA_REACHED: ended(FailureClass.QUOTA, started=False),
    Reason.NOT_STARTED: ended(INFRASTRUCTURE, started=False),
    Reason.THROTTLED: ended(INFRASTRUCTURE, V1, refusal=(INFRASTRUCTURE, "refused")),
    Reason.WANDB_UNAVAILABLE: ended(INFRASTRUCTURE, lookup=Lookup.UNAVAILABLE),
    Reason.UPLOAD_PENDING: ended(INFRASTRUCTURE, pending=1),
    Reason.FAILING_AGAIN: ended(INFRASTRUCTURE, V1, lineage=attempt(2, waiting=Waiting(1, NOW))),
}


_WAITS = [*Reason][
    [*Reason].index(Reason.CAPACITY_UNAVAILABLE) : [*Reason].index(Reason.ATTEMPTS_EXHAUSTED)
]


def waiting_for(reason: Reason, facts: Facts) -> Decision:
    decision = policy.decide(facts)
    assert (decision.verdict, decision.reason) == (Verdict.WAIT, reason)
    return decision


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (ended(INFRASTRUCTURE, V1), Verdict.RELAUNCH),
        (ended(INFRASTRUCTURE, succession=Succession.OURS), Verdict.RELAUNCH),
        (ended(INFRASTRUCTURE, lineage=None), Verdict.STOP),
        (ended(INFRASTRUCTURE, V1, recorded=waits(Reason.WANDB_REFUSED)), Verdict.RELAUNCH),
    ],
)
def test_a_person_is_notified_at_once_of_what_goes_on_and_of_what_stops(
    facts: Facts, verdict: Verdict
) -> None:
    decision = policy.decide(facts)
    assert decision.verdict is verdict
    assert reporting.notifies(decision)


@pytest.mark.parametrize(
    "facts",
    [ended(None), ended(FailureClass.STOPPED_BY_USER), ended(INFRASTRUCTURE, mode=Mode.OFF)],
)
def test_of_what_is_left_alone_nobody_is_notified(facts: Facts) -> None:
    assert not reporting.notifies(policy.decide(facts))


@pytest.mark.parametrize("reason", FOR_A_PERSON)
def test_a_wait_that_a_person_must_end_is_told_when_it_begins_and_not_at_each_look(
    reason: Reason,
) -> None:
    facts = FOR_A_PERSON[reason]
    decision = waiting_for(reason, facts)
    assert reporting.notifies(decision)
    again = replace(
        decision, facts=replace(facts, recorded=Recorded(verdict="WAIT", reason=reason))
    )
    assert not reporting.notifies(again)
    other = Recorded(verdict="WAIT", reason=str(Reason.WANDB_UNAVAILABLE))
    assert reporting.notifies(replace(decision, facts=replace(facts, recorded=other)))


@pytest.mark.parametrize("reason", FOR_TIME)
def test_a_wait_that_time_ends_is_not_told_when_it_begins(reason: Reason) -> None:
    assert not reporting.notifies(waiting_for(reason, FOR_TIME[reason]))


def test_every_wait_is_one_or_the_other() -> None:
    of_the_fleet = {Reason.FLEET_BREAKER_OPEN}  # reported once for all
    assert FOR_A_PERSON.keys() | FOR_TIME.keys() | of_the_fleet == set(_WAITS)


# --- once a day


def looks(facts: Facts, until: int, late: int = 0) -> list[Decision]:
    """Each look at a job that waits until then, a while after it is due."""
    decisions: list[Decision] = []
    while facts.observed_at < until:
        decision = policy.decide(facts)
        assert decision.verdict is Verdict.WAIT
        assert decision.due is not None
        assert facts.lineage is not None
        decisions.append(decision)
        facts = replace(
            facts,
            observed_at=decision.due + late,
            recorded=waits(decision.reason, decision.due),
            lineage=replace(facts.lineage, waiting=decision.waiting),
        )
    return decisions


def told_at(decisions: list[Decision]) -> list[int]:
    return [one.facts.observed_at - NOW for one in decisions if reporting.notifies(one)]


@pytest.mark.parametrize("facts", [*FOR_TIME.values()][3:5], ids=[*FOR_TIME][3:5])
@pytest.mark.parametrize("late", [0, 60, 1800])
def test_of_a_wait_a_person_is_notified_once_a_day(facts: Facts, late: int) -> None:
    days = [when / DAY for when in told_at(looks(facts, NOW + 30 * DAY, late))]
    longest = (Policy().backoff_max_seconds + late) / DAY
    assert len(days) in {29, 30}
    for number, day in enumerate(days, start=1):
        assert number - longest <= day <= number + longest


@pytest.mark.parametrize("reason", [Reason.WANDB_REFUSED, Reason.CREATE_DENIED])
def test_of_one_that_a_person_must_end_at_the_beginning_as_well(reason: Reason) -> None:
    days = told_at(looks(FOR_A_PERSON[reason], NOW + 3 * DAY - 3700))
    assert days[0] == 0
    assert len(days) == 3


def test_a_week_that_nobody_looked_is_one_notice() -> None:
    """A stack that was switched off, or a sweep that found it late."""
    lineage = attempt(2, waiting=Waiting(5, NOW - 8 * DAY))
    facts = ended(
        INFRASTRUCTURE,
        lineage=lineage,
        lookup=Lookup.UNAVAILABLE,
        recorded=waits(due=NOW - 7 * DAY),
    )
    late, *after = looks(facts, NOW + DAY // 2)
    assert reporting.notifies(late)
    assert not any(map(reporting.notifies, after))


def test_a_wait_that_goes_on_over_attempts_counts_its_days_from_its_beginning() -> None:
    """A successor was created when the attempt before it was last looked at."""

    def told(since: int, created_at: int | None) -> bool:
        lineage = replace(TRAINED_BEFORE, waiting=Waiting(9, NOW - since))
        facts = ended(CAPACITY, lineage=lineage, started=False, created_at=created_at)
        return reporting.notifies(waiting_for(Reason.CAPACITY_UNAVAILABLE, facts))

    assert told(since=DAY + 10, created_at=NOW - 30)
    assert not told(since=DAY + 30, created_at=NOW - 10)
    assert not told(since=DAY - 4000, created_at=NOW - 30)
    assert told(since=DAY + 30, created_at=None)
    assert not told(since=0, created_at=NOW - 10 * DAY)


def test_a_wait_that_does_not_say_since_when_is_told_when_it_ends() -> None:
    decision = waiting_for(Reason.NOT_STARTED, FOR_TIME[Reason.NOT_STARTED])
    assert not reporting.notifies(replace(decision, waiting=None))
    assert not reporting.notifies(replace(decision, due=None))


# --- what comes next


def test_each_verdict_says_what_comes_next() -> None:
    relaunched = policy.decide(ended(INFRASTRUCTURE, V1, V2))
    assert reporting.what_comes_next(relaunched) == "root-r2 continues; nothing to do"
    waiting = policy.decide(ended(CAPACITY, started=False))
    assert reporting.what_comes_next(replace(waiting, due=NOW)) == (
        "looked at again at 2027-01-15T08:00:00Z; nothing to do"
    )
    stopped = policy.decide(ended(INFRASTRUCTURE, lineage=attempt(2)))
    assert reporting.what_comes_next(stopped) == "a person must act: docs/runbook.md#no_checkpoint"
    assert reporting.what_comes_next(policy.decide(ended(None))) == "nothing to do"


def test_what_comes_next_is_told_though_no_successor_or_time_is_named() -> None:
    relaunched = policy.decide(ended(INFRASTRUCTURE, V1))
    assert reporting.what_comes_next(replace(relaunched, successor=None)) == (
        "the successor continues; nothing to do"
    )
    waiting = policy.decide(ended(CAPACITY, started=False))
    assert reporting.what_comes_next(replace(waiting, due=None)) == (
        "looked at again later; nothing to do"
    )


@pytest.mark.parametrize("reason", FOR_A_PERSON)
def test_a_wait_that_a_person_must_end_says_so(reason: Reason) -> None:
    decision = replace(waiting_for(reason, FOR_A_PERSON[reason]), due=NOW)
    assert reporting.what_comes_next(decision) == (
        f"looked at again at 2027-01-15T08:00:00Z; a person must act: docs/runbook.md#{reason}"
    )


# --- a wait that goes on


def test_a_try_within_a_wait_is_not_reported_and_one_after_work_or_without_a_wait_is() -> None:
    waited = attempt(2, waiting=Waiting(3, NOW - 5000))
    for lineage, found, notified in (
        (attempt(2), (V1,), True),
        (waited, (V1,), False),
        (waited, (V1, V2), True),
    ):
        facts = ended(INFRASTRUCTURE, *found, lineage=lineage, recorded=waits())
        decision = policy.decide(facts)
        assert decision.verdict is Verdict.RELAUNCH
        assert reporting.notifies(decision) is notified


@pytest.mark.parametrize(
    ("waiting", "notified"), [(None, True), (Waiting(0, NOW), True), (Waiting(1, NOW), False)]
)
def test_a_wait_for_a_person_that_goes_on_over_attempts_began_with_the_first(
    waiting: Waiting | None, *, notified: bool
) -> None:
    lineage = replace(TRAINED_BEFORE, waiting=waiting)
    refused = ended(FailureClass.PERMISSION, lineage=lineage, started=False)
    assert reporting.notifies(waiting_for(Reason.START_REFUSED, refused)) is notified


@pytest.mark.parametrize(("due", "notified"), [(DAY - 1, False), (DAY, True)])
def test_a_day_of_a_wait_ends_after_a_day(due: int, *, notified: bool) -> None:
    decision = waiting_for(Reason.NOT_STARTED, FOR_TIME[Reason.NOT_STARTED])
    longer = replace(decision, waiting=Waiting(1, NOW), due=NOW + due)
    assert reporting.notifies(longer) is notified


def test_a_due_time_that_nobody_can_read_is_taken_to_be_the_jobs_beginning() -> None:
    lineage = attempt(2, waiting=Waiting(5, NOW - DAY - 100))
    facts = ended(
        INFRASTRUCTURE,
        lineage=lineage,
        lookup=Lookup.UNAVAILABLE,
        recorded=waits(due=None),
        created_at=NOW - 30,
    )
    assert not reporting.notifies(waiting_for(Reason.WANDB_UNAVAILABLE, facts))
