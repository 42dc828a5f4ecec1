"""Jobs whose tags, names or Environment are full already: what fits is done, the rest is told."""

import pytest

from resilience.decide.decisions import Reason, Verdict
from resilience.wire import tags as tag_names
from tests.unit.recovery_world import (
    CAPACITY,
    GPU,
    JOB,
    PROOF,
    TAGS,
    decide,
    deliver_until_quiet,
    event,
    failed,
    hint,
    hint_of,
    trained,
    verdict_of,
)


def full(count: int) -> dict[str, str]:
    return TAGS | {f"k{number}": "" for number in range(count - len(TAGS))}


@pytest.mark.parametrize("count", [40, 48, 49, 50])
@pytest.mark.parametrize("reason", [GPU, CAPACITY])
def test_a_job_too_full_for_a_successor_stops_before_anything_is_created_or_awaited(
    count: int, reason: str
) -> None:
    world = failed(reason, full(count))
    decision = decide(world, event(full(count)))
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.LIMIT_REACHED)
    assert decision.detail.startswith("Tags: ")
    assert "remove" in decision.detail
    assert world.sagemaker.requests == []
    reminder = {(JOB, "STOP"): world.clock() + 86_400} if count == 50 else {}
    assert world.schedules.due == reminder
    assert verdict_of(world) == (None if count == 50 else "STOP")
    assert len(world.sagemaker.tags(JOB) or {}) <= 50


def test_the_fullest_job_that_fits_is_relaunched_and_its_successor_can_be_judged() -> None:
    world = failed(GPU, full(39))
    decision = decide(world, event(full(39)))
    assert decision.verdict is Verdict.RELAUNCH
    successor = decision.successor
    assert successor is not None
    own = world.sagemaker.tags(successor.name) or {}
    assert len(own.keys() | tag_names.OF_THE_DECIDED) <= 50


def test_a_job_without_room_for_a_verdict_is_reported_once_a_day_however_many_messages_come() -> (
    None
):
    world = failed(GPU, full(50))
    for day in (1, 2):
        for told in (event(full(50)), event(full(50)), hint(), hint()):
            decide(world, told)
            world.clock.pass_by(60)
        assert len(world.topic.published) == day
        world.clock.pass_by(86_400)
        (body,) = world.schedules.fire(world.clock())
        decide(world, hint_of(body, world))
        assert len(world.topic.published) == day + 1
        world.topic.published.pop()
        world.schedules.due.clear()


@pytest.mark.parametrize("count", [49, 50])
def test_a_full_job_that_completed_is_acknowledged_all_the_same(count: int) -> None:
    own = full(count) | {"resilience:completed": PROOF}
    world = trained(own)
    world.sagemaker.end(JOB, "Completed", "Completed")
    deliver_until_quiet(world)
    assert verdict_of(world) == ("IGNORE" if count == 49 else None)


def test_an_environment_without_room_stops_before_the_call_with_the_limit_named() -> None:
    world = trained()
    job = world.sagemaker.describe(JOB)
    assert job is not None
    crowded = {"Environment": {f"K{number}": "" for number in range(97)}}
    world.sagemaker.put(JOB, {**job.described, **crowded}, TAGS)
    world.sagemaker.end(JOB, "Failed", "Failed", GPU)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.LIMIT_REACHED)
    assert decision.detail.startswith("Environment: ")
    assert world.sagemaker.requests == []
    assert verdict_of(world) == "STOP"
