"""A service that is away for hours: nothing is lost, and nobody is told of it fifty times."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.in_memory import InMemoryWorld
from local.replaying.event import captured
from resilience import tags
from resilience.decisions import Lookup, Reason, Verdict
from resilience.errors import CreateRefused, Retry
from resilience.ports import World
from tests.unit.recovery_world import (
    JOB,
    ROLE_REFUSED,
    SUCCESSOR,
    TAGS,
    Watched,
    decide,
    deliver,
    failed,
    forgotten,
    never_started,
    take_up_the_waits,
    time_passes,
    verdict_of,
)

DAY = 86_400


class _Away:
    """A port some of whose calls get no answer."""

    def __init__(self, port: object, calls: tuple[str, ...]) -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the port has
        return self._no_answer if name in self._calls else getattr(self._port, name)

    def _no_answer(self, *_: object) -> None:
        raise Retry("no answer")


def without(world: InMemoryWorld, *calls: str) -> World:
    real = world.ports()
    return replace(
        real,
        jobs=_Away(real.jobs, calls),
        waits=_Away(real.waits, calls),
        notifications=_Away(real.notifications, calls),
    )


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


# --- three turns


def test_a_refusal_that_finds_the_successor_of_an_earlier_try_is_settled_in_three_turns() -> None:
    """Created, and the answer was lost; now the name is free to refuse, and taken all the same."""
    world = failed()
    deliver(world)
    forgotten(world)
    world.topic.published.clear()
    watched = Watched(world)
    ports = watched.ports()
    refused = replace(ports, jobs=_Refusing(ports.jobs))
    decision = decide(world, ports=refused)
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert (verdict_of(world), world.schedules.due) == ("RELAUNCH", {})
    assert (world.sagemaker.tags(JOB) or {})[tags.SUCCESSOR] == SUCCESSOR
    assert len(world.topic.published) == 1
    made = [name for name, _ in watched.made]
    assert made.count("add_tags") == 1


class _Refusing(_Away):
    def __init__(self, port: object) -> None:
        super().__init__(port, ("create",))

    def _no_answer(self, *_: object) -> None:
        raise CreateRefused("ThrottlingException", "Rate exceeded")


class _Overtaken(_Away):
    """Training jobs at which another worker creates the successor before our tag is written."""

    def __init__(self, world: InMemoryWorld) -> None:
        super().__init__(world.sagemaker, ("add_tags",))
        self._world = world
        self._before = True

    def _no_answer(self, *arguments: object) -> None:
        if self._before:
            self._before = False
            self._world.wandb.lookup = Lookup.FOUND
            deliver(self._world)
        self._world.sagemaker.add_tags(*arguments)  # type: ignore[arg-type]  # as they came


def test_whichever_worker_writes_last_writes_that_the_job_was_relaunched() -> None:
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    decision = decide(world, ports=replace(world.ports(), jobs=_Overtaken(world)))
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert verdict_of(world) == "RELAUNCH"
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_a_limit_that_only_the_request_shows_is_a_stop_and_no_create() -> None:
    world = failed()
    crowded = {f"K{number}": "" for number in range(97)}
    found = world.sagemaker.describe(JOB)
    assert found is not None
    world.sagemaker.put(JOB, {**found.described, "Environment": crowded}, TAGS)
    watched = Watched(world)
    decision = decide(world, ports=watched.ports())
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.LIMIT_REACHED)
    assert "create" not in {name for name, _ in watched.made}
