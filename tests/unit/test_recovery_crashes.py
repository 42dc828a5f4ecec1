"""The process dies before or after any call, the message comes again: the end is the same."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.in_memory import InMemoryWorld
from resilience.adapters.messages import LEAD_SECONDS
from resilience.decide.decisions import Decision, Lookup, Verdict
from resilience.errors import CreateRefused
from resilience.wire import tags, words
from tests.unit.recovery_world import (
    GPU,
    JOB,
    PROOF,
    ROLE_REFUSED,
    SUCCESSOR,
    TAGS,
    Call,
    Crash,
    Death,
    Watched,
    deliver,
    deliver_until_quiet,
    dying,
    event,
    failed,
    never_started,
    time_passes,
    trained,
    verdict_of,
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


def _key_refused() -> InMemoryWorld:
    world = failed()
    world.wandb.lookup = Lookup.REFUSED
    return world


def _create_refused() -> InMemoryWorld:
    world = failed()
    world.sagemaker.refuse_create(*[CreateRefused("ThrottlingException", "Rate exceeded")] * 3)
    return world


WORLDS: dict[str, Callable[[], InMemoryWorld]] = {
    "relaunch": lambda: failed(GPU),
    "wait for a machine": never_started,
    "wait for wandb": _without_wandb,
    "wait for a person": _key_refused,
    "wait after a refusal": _create_refused,
    "stop": lambda: never_started(ROLE_REFUSED),
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
        "told": {(one.verdict, one.reason, one.facts.job) for one in world.topic.published},
    }


@pytest.mark.parametrize(("kind", "death"), DEATHS)
def test_a_death_at_any_call_changes_nothing_in_the_end(kind: str, death: Death) -> None:
    undisturbed, disturbed = WORLDS[kind](), WORLDS[kind]()
    deliver(undisturbed)
    with dying(disturbed, death) as ports:
        deliver(disturbed, ports=ports)
    disturbed.clock.pass_by(1)
    deliver_until_quiet(disturbed)
    assert _durable(disturbed) == _durable(undisturbed)
    for world in (undisturbed, disturbed):
        world.wandb.lookup = Lookup.FOUND
        for _ in range(4):
            time_passes(world, 7200)
    assert _durable(disturbed) == _durable(undisturbed)
    assert verdict_of(disturbed) != Verdict.WAIT


@pytest.mark.parametrize(("kind", "death"), [one for one in DEATHS if "wait" in str(one.id)])
def test_after_any_death_the_wait_stands_by_its_tag_and_its_schedule_is_as_late_or_none(
    kind: str, death: Death
) -> None:
    """The tag is the wait: a schedule that was never made is the sweep's to stand for."""
    world = WORLDS[kind]()
    with dying(world, death) as ports:
        deliver(world, ports=ports)
    world.clock.pass_by(1)
    deliver_until_quiet(world)
    due = (world.sagemaker.tags(JOB) or {})[tags.DUE]
    assert due > words.stamp(world.clock() - 1)
    for scheduled in world.schedules.due.values():
        assert words.stamp(scheduled) >= due
        assert words.stamp(scheduled - LEAD_SECONDS - 1) <= due


def test_each_way_is_tried_at_every_port_that_it_uses() -> None:
    ports = {kind: {name for name, _ in _calls(kind)} for kind in WORLDS}
    look = {"describe", "tags"}
    told = {"is_reminder_set", "publish", "add_tags"}
    assert ports == {
        "relaunch": look | told | {"newest", "create"},
        "wait for a machine": look | {"newest", "schedule", "add_tags"},
        "wait for wandb": look | {"newest", "schedule", "add_tags"},
        "wait for a person": look | told | {"newest", "schedule"},
        "wait after a refusal": look | {"newest", "create", "schedule", "add_tags"},
        "stop": look | told | {"newest"},
        "name taken": look | told | {"newest", "create"},
        "completed": look | {"add_tags"},
        "no room": look | {"is_reminder_set", "publish", "remind"},
    }


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
