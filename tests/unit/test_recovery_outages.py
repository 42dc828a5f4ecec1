"""A service that is away for hours: nothing is lost, and nobody is told of it fifty times."""

from collections.abc import Callable

import pytest

from local.in_memory import InMemoryWorld
from local.replaying.event import captured
from resilience.decide.decisions import Lookup, Reason, Verdict
from resilience.errors import CreateRefused, Retry
from tests.unit.away import without
from tests.unit.recovery_world import (
    JOB,
    ROLE_REFUSED,
    SUCCESSOR,
    TAGS,
    decide,
    deliver,
    failed,
    never_started,
    take_up_the_waits,
    time_passes,
    verdict_of,
)

DAY = 86_400


def failing_deliveries(world: InMemoryWorld, count: int, *calls: str) -> None:
    for _ in range(count):
        with pytest.raises(Retry):
            deliver(world, ports=without(world, *calls))
        world.clock.pass_by(60)


# --- AddTags


MAKERS: dict[str, Callable[[], InMemoryWorld]] = {
    "relaunch": failed,
    "stop": lambda: never_started(ROLE_REFUSED),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_hour_without_add_tags_is_one_notice_and_then_the_verdict_is_written(kind: str) -> None:
    world = MAKERS[kind]()
    failing_deliveries(world, 49, "add_tags")
    assert len(world.topic.published) == 1
    assert verdict_of(world) is None
    deliver(world)
    assert len(world.topic.published) == 1
    assert verdict_of(world) == kind.upper()
    assert len(world.sagemaker.requests) == (kind == "relaunch")


def test_what_cannot_be_recorded_for_days_is_told_once_a_day() -> None:
    world = never_started(ROLE_REFUSED)
    for day in range(1, 4):
        failing_deliveries(world, 5, "add_tags")
        assert len(world.topic.published) == day
        world.clock.pass_by(DAY)
        world.schedules.fire(world.clock())


def test_a_wait_of_which_nobody_is_notified_leaves_no_reminder() -> None:
    world = never_started()
    failing_deliveries(world, 3, "add_tags")
    assert (world.topic.published, world.schedules.due) == ([], {})


def test_a_notice_that_could_not_be_recorded_holds_back_no_other_of_the_same_job() -> None:
    """The key was refused while AddTags was away; within the day the key is there, and it stops."""
    world = failed()
    world.wandb.lookup = Lookup.REFUSED
    failing_deliveries(world, 2, "add_tags")
    deliver(world)
    assert verdict_of(world) == "WAIT"
    world.wandb.lookup = Lookup.FOUND
    world.sagemaker.refuse_create(CreateRefused("ValidationException", "1 validation error"))
    assert take_up_the_waits(world)[0].reason is Reason.REQUEST_REJECTED
    assert [one.reason for one in world.topic.published] == [
        Reason.WANDB_REFUSED,
        Reason.REQUEST_REJECTED,
    ]


@pytest.mark.parametrize("calls", [("add_tags", "is_reminder_set"), ("add_tags", "remind")])
def test_without_scheduler_as_well_it_is_told_rather_twice_than_never(
    calls: tuple[str, ...],
) -> None:
    world = failed()
    with captured():
        failing_deliveries(world, 2, *calls)
    assert len(world.topic.published) == 2
    deliver(world)
    assert verdict_of(world) == "RELAUNCH"
    assert len(world.sagemaker.requests) == 1


# --- Scheduler


def test_days_without_scheduler_delay_a_wait_by_minutes_and_lose_none() -> None:
    world = never_started()
    with captured() as printed:
        decision = decide(world, ports=without(world, "schedule", "is_reminder_set", "remind"))
    assert decision.verdict is Verdict.WAIT
    assert "the sweep re-evaluates it" in printed.getvalue()
    assert (verdict_of(world), world.schedules.due) == ("WAIT", {})
    assert decision.due is not None
    time_passes(world, decision.due - world.clock() + 180)
    assert (verdict_of(world), world.sagemaker.names()) == ("RELAUNCH", (JOB, SUCCESSOR))


def test_a_relaunch_needs_no_scheduler() -> None:
    world = failed()
    assert decide(world, ports=without(world, "schedule", "is_reminder_set", "remind")).verdict is (
        Verdict.RELAUNCH
    )
    assert (verdict_of(world), len(world.topic.published)) == ("RELAUNCH", 1)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_job_without_room_for_a_tag_is_acknowledged_though_scheduler_is_away(kind: str) -> None:
    world = MAKERS[kind]()
    full = TAGS | {f"k{number}": "" for number in range(50 - len(TAGS))}
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), full)
    with captured():
        decision = decide(world, ports=without(world, "schedule", "is_reminder_set", "remind"))
    assert decision.verdict is Verdict.STOP
    assert len(world.topic.published) == 1


# --- the topic


@pytest.mark.parametrize("kind", MAKERS)
def test_without_the_topic_nothing_is_recorded_and_the_message_comes_again(kind: str) -> None:
    """To notify after the tag was written would be never, where the process dies between."""
    world = MAKERS[kind]()
    failing_deliveries(world, 3, "publish")
    assert verdict_of(world) is None
    deliver(world)
    assert (verdict_of(world), len(world.topic.published)) == (kind.upper(), 1)
