"""A wait is not an end, and it has none of its own."""

from itertools import pairwise

from resilience.decide.decisions import Lookup, Reason, Verdict
from resilience.wire import tags
from tests.unit.recovery_world import (
    CAPACITY,
    JOB,
    SUCCESSOR,
    WANDB,
    decide,
    dies,
    failed,
    hint,
    hint_of,
    lineage_of,
    never_started,
    take_up_the_waits,
    time_passes,
    verdict_of,
)

DAY = 86_400


def test_a_wait_for_capacity_ends_in_a_relaunch_when_it_is_due() -> None:
    world = never_started()
    waiting = decide(world)
    assert (waiting.verdict, verdict_of(world)) == (Verdict.WAIT, "WAIT")
    assert world.sagemaker.names() == (JOB,)
    assert decide(world).reason is Reason.NOT_DUE
    assert [one.verdict for one in take_up_the_waits(world)] == [Verdict.RELAUNCH]
    assert (world.sagemaker.names(), verdict_of(world)) == ((JOB, SUCCESSOR), "RELAUNCH")


def test_a_wait_that_is_taken_up_while_its_schedule_still_stands_gets_another() -> None:
    """The sweep may come first; a schedule that stands is left as it is."""
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    for schedules in (1, 2, 3):
        assert decide(world).reason is Reason.WANDB_UNAVAILABLE
        assert len(world.schedules.due) == schedules
        world.clock.pass_by(3600)


def test_a_drought_of_a_week_is_waited_for_ever_more_seldom_and_nothing_is_counted() -> None:
    world = never_started()
    begun, job = world.clock(), JOB
    while world.clock() < begun + 7 * DAY:
        assert decide(world, hint(job)).reason is Reason.CAPACITY_UNAVAILABLE
        (last,) = take_up_the_waits(world)
        assert last.verdict is Verdict.RELAUNCH
        job = world.sagemaker.names()[-1]
        world.sagemaker.end(job, "Failed", "Failed", CAPACITY)
    lineage = lineage_of(world, job)
    assert (lineage.ledger.ends, lineage.ledger.unpaid) == ((), 0)
    assert lineage.attempt < 7 * 24 * 4
    world.wandb.commit(WANDB, step=1, run="night-1", job=job)
    dies(world, job)
    worked = decide(world, hint(job))
    assert worked.verdict is Verdict.RELAUNCH
    assert worked.successor is not None
    assert worked.successor.waiting is None


def test_machines_that_are_lost_one_after_the_other_are_tried_again_ever_more_seldom() -> None:
    world, job = failed(), JOB
    waits: list[int] = []
    for _ in range(12):
        decision = decide(world, hint(job))
        if decision.verdict is Verdict.WAIT:
            assert decision.reason is Reason.FAILING_AGAIN
            (decision,) = take_up_the_waits(world)
        assert decision.verdict is Verdict.RELAUNCH
        waits.append(world.clock())
        job = world.sagemaker.names()[-1]
        dies(world, job, after=60 * (1 + 4 * (len(waits) % 2)))
    first, *_, last = (later - earlier - 300 for earlier, later in pairwise(waits))
    assert first == 0
    assert last > 60
    assert lineage_of(world, job).rejected == ()


def test_wandb_that_is_down_delays_and_changes_nothing_else() -> None:
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    assert decide(world).reason is Reason.WANDB_UNAVAILABLE
    (due,) = world.schedules.due.values()
    world.clock.now = due
    (body,) = world.schedules.fire(due)
    assert decide(world, hint_of(body, world)).reason is Reason.WANDB_UNAVAILABLE
    world.wandb.lookup = Lookup.FOUND
    assert take_up_the_waits(world)[-1].reason is Reason.RESUMED_FROM_CHECKPOINT
    successor = world.sagemaker.tags(SUCCESSOR) or {}
    assert successor[tags.CHECKPOINT] == "v1"


def test_a_weekend_with_an_expired_key_is_told_at_its_beginning_and_once_a_day() -> None:
    world = failed()
    world.wandb.lookup = Lookup.REFUSED
    decide(world)
    for _ in range(5 * 24):
        time_passes(world, 1800)
    assert [one.reason for one in world.topic.published] == [Reason.WANDB_REFUSED] * 3
    world.wandb.lookup = Lookup.FOUND
    time_passes(world, 7200)
    assert world.topic.published[-1].reason is Reason.RESUMED_FROM_CHECKPOINT
