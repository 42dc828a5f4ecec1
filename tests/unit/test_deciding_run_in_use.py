"""Somebody else writes to the lineage's W&B run: a second writer would mix two histories."""

import pytest

from resilience.decide import policy, reporting
from resilience.decide.decisions import Facts, Reason, Recorded, Succession, Verdict
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, attempt, checkpoint, ended

MINUTE = 60


def of_a_run(heartbeat_at: int | None, ended_at: int | None = NOW - 60 * MINUTE) -> Facts:
    """A job of an hour ago that can be relaunched, with its run's last heartbeat."""
    return ended(
        FailureClass.INFRASTRUCTURE,
        checkpoint("v2", 20),
        lineage=attempt(),
        ended_at=ended_at,
        heartbeat_at=heartbeat_at,
    )


def outcome(facts: Facts) -> tuple[Verdict, Reason]:
    decision = policy.decide(facts)
    return decision.verdict, decision.reason


RELAUNCHED = (Verdict.RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
HELD = (Verdict.WAIT, Reason.RUN_IN_USE)


@pytest.mark.parametrize(
    ("ended_ago", "beat_ago", "expected"),
    [
        (3600, 10, HELD),  # a continuation by hand
        (3600, 299, HELD),
        (3600, -30, HELD),  # W&B's clock is before this one
        (3600, 301, RELAUNCHED),  # it has fallen silent since
        (3600, 3590, RELAUNCHED),  # the job's own last words
        (200, 100, RELAUNCHED),  # the same, of a host that was stopped later
        (200, 60, HELD),
        (10, 2, RELAUNCHED),  # nobody can tell it from the job's own yet
    ],
)
def test_a_heartbeat_after_the_jobs_end_and_not_silent_is_somebody_elses(
    ended_ago: int, beat_ago: int, expected: tuple[Verdict, Reason]
) -> None:
    assert outcome(of_a_run(NOW - beat_ago, NOW - ended_ago)) == expected


def test_a_run_without_a_heartbeat_says_nothing() -> None:
    assert outcome(of_a_run(None)) == RELAUNCHED


def test_a_job_whose_end_nobody_knows_waits_until_its_run_is_silent() -> None:
    assert outcome(of_a_run(NOW - 10, None)) == HELD
    assert outcome(of_a_run(NOW - 6 * MINUTE, None)) == RELAUNCHED


def test_a_job_that_never_started_wrote_nothing() -> None:
    def waiting(beat_ago: int, created_ago: int) -> Facts:
        return ended(
            FailureClass.CAPACITY,
            checkpoint("v2", 20),
            lineage=attempt(),
            started=False,
            created_at=NOW - created_ago,
            ended_at=NOW - 10,
            recorded=Recorded(verdict="WAIT", reason="capacity_unavailable", due=NOW),
            heartbeat_at=NOW - beat_ago,
        )

    assert outcome(waiting(beat_ago=20, created_ago=3600)) == HELD
    assert outcome(waiting(beat_ago=200, created_ago=180)) == RELAUNCHED  # its parent's last words


def test_an_end_that_is_final_is_not_hidden_by_whoever_writes() -> None:
    exhausted = attempt(unpaid=10_000)
    facts = ended(
        FailureClass.INFRASTRUCTURE,
        lineage=exhausted,
        ended_at=NOW - 60 * MINUTE,
        heartbeat_at=NOW,
    )
    assert outcome(facts)[0] is Verdict.STOP


def test_a_successor_of_ours_is_no_other_writer() -> None:
    facts = ended(
        FailureClass.INFRASTRUCTURE,
        ended_at=NOW - 60 * MINUTE,
        heartbeat_at=NOW,
        succession=Succession.OURS,
    )
    assert outcome(facts) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)


def test_a_person_is_notified_when_the_wait_begins_and_not_at_each_look() -> None:
    facts = of_a_run(NOW)
    assert reporting.notifies(policy.decide(facts))
    again = ended(
        FailureClass.INFRASTRUCTURE,
        checkpoint("v2", 20),
        lineage=attempt(),
        ended_at=NOW - 60 * MINUTE,
        heartbeat_at=NOW,
        recorded=Recorded(verdict="WAIT", reason="run_in_use", due=NOW),
    )
    decision = policy.decide(again)
    assert (decision.verdict, decision.reason) == HELD
    assert not reporting.notifies(decision)
