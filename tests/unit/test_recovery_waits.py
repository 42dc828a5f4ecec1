"""A wait is not an end."""

from resilience import tags
from resilience.decisions import Lookup, Reason, Verdict
from tests.unit.recovery_world import (
    CAPACITY,
    JOB,
    SUCCESSOR,
    decide,
    failed,
    hint,
    hint_of,
    take_up_the_waits,
    verdict_of,
)


def test_a_wait_for_capacity_ends_in_a_relaunch_when_it_is_due() -> None:
    world = failed(CAPACITY)
    waiting = decide(world)
    assert (waiting.verdict, verdict_of(world)) == (Verdict.WAIT, "WAIT")
    assert world.sagemaker.names() == (JOB,)
    assert decide(world).reason is Reason.NOT_DUE
    assert [one.verdict for one in take_up_the_waits(world)] == [Verdict.RELAUNCH]
    assert (world.sagemaker.names(), verdict_of(world)) == ((JOB, SUCCESSOR), "RELAUNCH")


def test_a_wait_for_capacity_goes_on_over_attempts_that_never_started_and_ends() -> None:
    world = failed(CAPACITY)
    last, job = decide(world), JOB
    while last.verdict is not Verdict.STOP:
        last = take_up_the_waits(world, job)[-1]
        job = world.sagemaker.names()[-1]
        world.sagemaker.end(job, "Failed", "Failed", CAPACITY)
        last = decide(world, hint(job))
    assert last.reason is Reason.WAIT_TIME_EXHAUSTED
    waited = world.clock() - decide(failed(CAPACITY)).facts.observed_at
    longest = last.facts.policy.wait_total_seconds + last.facts.policy.backoff_max_seconds
    assert last.facts.policy.wait_total_seconds <= waited <= longest


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
