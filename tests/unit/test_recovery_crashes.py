"""The process dies before or after any call, the message comes again: the end is the same."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.in_memory import InMemoryWorld
from resilience import tags
from resilience.decisions import Decision, Lookup, Verdict
from tests.unit.recovery_world import (
    CAPACITY,
    GPU,
    JOB,
    OUT_OF_MEMORY,
    PROOF,
    SUCCESSOR,
    TAGS,
    Call,
    Crash,
    Death,
    Watched,
    decide,
    deliver,
    deliver_until_quiet,
    dying,
    event,
    failed,
    hint_of,
    trained,
)


def _completed() -> InMemoryWorld:
    world = trained(tags=TAGS | {tags.COMPLETED: PROOF})
    world.sagemaker.end(JOB, "Completed", "Completed")
    return world


def _without_wandb() -> InMemoryWorld:
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    return world


def _name_taken() -> InMemoryWorld:
    world = failed()
    world.sagemaker.put(SUCCESSOR, {"TrainingJobStatus": "InProgress"}, {})
    return world


WORLDS: dict[str, Callable[[], InMemoryWorld]] = {
    "relaunch": lambda: failed(GPU),
    "wait": lambda: failed(CAPACITY),
    "wait for wandb": _without_wandb,
    "stop": lambda: failed(OUT_OF_MEMORY),
    "name taken": _name_taken,
    "completed": _completed,
    "no room": lambda: failed(GPU, TAGS | {f"k{n}": "" for n in range(50 - len(TAGS))}),
}


def _calls(kind: str) -> list[Call]:
    watched = Watched(WORLDS[kind]())
    deliver(watched.world, ports=watched.ports())
    return sorted(watched.made)


DEATHS = [
    pytest.param(kind, Death(call, after), id=f"{kind}: {Death(call, after)}")
    for kind in WORLDS
    for call in _calls(kind)
    for after in (False, True)
]


def _durable(world: InMemoryWorld) -> dict[str, object]:
    """All that stands after a message, but for the moment to which a wait goes."""
    jobs = {name: world.sagemaker.tags(name) or {} for name in world.sagemaker.names()}
    moments = (tags.DUE, tags.WAITING)
    return {
        "jobs": {
            name: {key: value for key, value in own.items() if key not in moments}
            for name, own in jobs.items()
        },
        "schedules": world.schedules.due.keys(),
        "told": {(one.verdict, one.facts.job) for one in world.topic.published},
    }


def _due_by_tag(world: InMemoryWorld) -> str | None:
    return (world.sagemaker.tags(JOB) or {}).get(tags.DUE)


@pytest.mark.parametrize(("kind", "death"), DEATHS)
def test_a_death_at_any_call_changes_nothing_in_the_end(kind: str, death: Death) -> None:
    undisturbed, disturbed = WORLDS[kind](), WORLDS[kind]()
    deliver(undisturbed)
    with dying(disturbed, death) as ports:
        deliver(disturbed, ports=ports)
    disturbed.clock.pass_by(1)
    deliver_until_quiet(disturbed)
    assert _durable(disturbed) == _durable(undisturbed)


@pytest.mark.parametrize(("kind", "death"), [one for one in DEATHS if "wait" in str(one.id)])
def test_after_any_death_the_tag_and_the_schedule_name_one_moment(kind: str, death: Death) -> None:
    world = WORLDS[kind]()
    with dying(world, death) as ports:
        deliver(world, ports=ports)
    world.clock.pass_by(1)
    deliver_until_quiet(world)
    assert [_due_by_tag(world)] == [tags.stamp(due) for due in world.schedules.due.values()]


def test_each_way_is_tried_at_every_port_that_it_uses() -> None:
    ports = {kind: {name for name, _ in _calls(kind)} for kind in WORLDS}
    look = {"describe", "tags"}
    assert ports == {
        "relaunch": look | {"newest", "create", "publish", "add_tags"},
        "wait": look | {"newest", "schedule", "add_tags"},
        "wait for wandb": look | {"newest", "schedule", "add_tags"},
        "stop": look | {"publish", "add_tags"},
        "name taken": look | {"newest", "create", "publish", "add_tags"},
        "completed": look | {"add_tags"},
        "no room": look | {"is_reminder_set", "publish", "remind"},
    }


def test_a_wait_whose_schedule_is_late_is_due_at_once() -> None:
    world = failed(CAPACITY)
    with dying(world, Death(("schedule", 1), after=True)) as ports:
        deliver(world, ports=ports)
    (first,) = world.schedules.due.values()
    world.clock.now = first + 10
    assert decide(world).due == first + 11
    (body,) = world.schedules.fire(world.clock())
    assert decide(world, hint_of(body, world)).verdict is Verdict.RELAUNCH


_SOME_DEATH = st.builds(
    Death,
    st.sampled_from(_calls("relaunch")).map(lambda call: (call[0], 1)),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), _SOME_DEATH), max_size=6))
def test_any_number_of_deaths_and_repetitions_make_one_successor(
    deaths: list[Death | None],
) -> None:
    world = failed()
    for death in deaths:
        try:
            deliver(world, event(), Watched(world, death).ports())
        except Crash:
            world.clock.pass_by(1)
    deliver_until_quiet(world)
    assert world.sagemaker.names() == (JOB, SUCCESSOR)
    assert (world.sagemaker.tags(JOB) or {})[tags.VERDICT] == "RELAUNCH"
    assert all(isinstance(one, Decision) for one in world.topic.published)
    assert world.topic.published != []
