"""What events missed is found, put on the one path that acts, and judged there."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from local.in_memory import InMemoryWorld
from resilience import tags
from resilience.decisions import Mode, Reason, Verdict
from resilience.fleet import SeenJob
from resilience.sweeping import Swept, sweep
from tests.unit.fleet_story import GRACE, SETTINGS, swept
from tests.unit.recovery_world import (
    CAPACITY,
    JOB,
    OUT_OF_MEMORY,
    PROOF,
    SUCCESSOR,
    TAGS,
    decide,
    deliver,
    failed,
    hint,
    hint_of,
    trained,
    verdict_of,
)

LOOKBACK = SETTINGS.lookback_seconds
NOTHING = Swept((), ())


def work_off(world: InMemoryWorld) -> None:
    """Take all that is on the queue."""
    bodies, world.queue.bodies = world.queue.bodies, []
    for body in bodies:
        deliver(world, hint_of(body, world))


def test_a_job_whose_event_was_lost_is_judged_after_one_sweep() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    assert swept(world).without_verdict == (JOB,)
    work_off(world)
    assert (verdict_of(world), world.sagemaker.names()) == ("RELAUNCH", (JOB, SUCCESSOR))
    assert swept(world) == NOTHING


@pytest.mark.parametrize(
    ("status", "secondary", "reason"),
    [
        ("Completed", "Completed", "completed"),
        ("Stopped", "Stopped", "stopped_by_user"),
        ("Stopped", "MaxRuntimeExceeded", "resumed_from_checkpoint"),
    ],
)
def test_every_end_gets_its_verdict_from_the_sweep(
    status: str, secondary: str, reason: str
) -> None:
    world = trained(TAGS | {tags.COMPLETED: PROOF})
    world.sagemaker.end(JOB, status, secondary)
    world.clock.pass_by(GRACE)
    swept(world)
    work_off(world)
    assert (world.sagemaker.tags(JOB) or {})[tags.REASON] == reason
    assert swept(world) == NOTHING


def test_a_job_that_has_just_ended_is_left_to_its_event() -> None:
    world = failed()
    world.clock.pass_by(GRACE - 1)
    assert swept(world) == NOTHING


def test_what_ended_before_the_lookback_is_left_alone() -> None:
    world = failed()
    world.clock.pass_by(LOOKBACK)
    assert swept(world).without_verdict == (JOB,)
    world.clock.pass_by(1)
    assert swept(world) == NOTHING


def test_a_job_that_trains_or_never_opted_in_is_left_alone() -> None:
    world = trained()
    world.sagemaker.put("other", {"TrainingJobStatus": "Failed"}, {"team": "vision"})
    world.clock.pass_by(GRACE)
    assert swept(world) == NOTHING


@pytest.mark.parametrize(
    "own",
    [{"resilience:mode": "observe"}, {"resilience:mode": "off"}],
)
def test_a_job_whose_own_tags_let_no_verdict_be_recorded_is_not_found_every_time(
    own: dict[str, str],
) -> None:
    world = failed(tags=TAGS | own)
    world.clock.pass_by(GRACE)
    assert swept(world) == NOTHING


@pytest.mark.parametrize("project", ["", "../admin"])
def test_a_job_whose_tags_became_invalid_stops_by_the_sweep_and_is_reported_once(
    project: str,
) -> None:
    world = failed(tags=TAGS | {"WANDB_PROJECT": project}, environment={})
    for _ in range(3):
        world.clock.pass_by(GRACE)
        swept(world)
        work_off(world)
    assert [one.reason for one in world.topic.published] == [Reason.TAGS_INVALID]


def test_a_judged_job_is_left_alone() -> None:
    world = failed(OUT_OF_MEMORY)
    assert decide(world).verdict is Verdict.STOP
    world.clock.pass_by(GRACE)
    assert swept(world) == NOTHING


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_only_in_act_mode_does_the_sweep_ask(mode: Mode) -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    world.mode = mode
    assert swept(world) == NOTHING
    assert world.queue.bodies == []


def test_a_wait_whose_schedule_was_lost_is_taken_up_when_it_is_overdue() -> None:
    world = failed(CAPACITY)
    due = decide(world).due
    assert due is not None
    world.schedules.due.clear()
    world.clock.now = due + GRACE - 1
    assert swept(world) == NOTHING
    world.clock.pass_by(1)
    assert swept(world).overdue == (JOB,)
    work_off(world)
    assert (verdict_of(world), world.sagemaker.names()) == ("RELAUNCH", (JOB, SUCCESSOR))


def test_a_wait_is_taken_up_however_long_ago_its_job_ended() -> None:
    world = failed(CAPACITY)
    deliver(world)
    world.schedules.due.clear()
    world.clock.pass_by(2 * LOOKBACK)
    assert swept(world) == Swept((), (JOB,))


def test_a_sweep_that_finds_the_same_twice_does_no_harm() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    swept(world)
    swept(world)
    work_off(world)
    assert world.sagemaker.names() == (JOB, SUCCESSOR)
    assert len(world.topic.published) == 1


def test_the_sweep_and_a_late_event_at_once_make_one_successor() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    swept(world)
    deliver(world)
    work_off(world)
    assert decide(world).reason is Reason.ALREADY_JUDGED
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def change(world: InMemoryWorld, name: str, own: Mapping[str, str], **more: object) -> None:
    """Have a job that is as it was, but for these tags and members."""
    job, had = world.sagemaker.describe(name), world.sagemaker.tags(name)
    assert job is not None
    described = {key: value for key, value in {**job.described, **more}.items() if value}
    world.sagemaker.put(name, described, {**(had or {}), **own})


# --- whether AddTags moves LastModifiedTime is not documented


def touched(world: InMemoryWorld, name: str = JOB) -> None:
    """Somebody tags a job, and SageMaker takes that for a change."""
    now = datetime.fromtimestamp(world.clock(), UTC)
    change(world, name, {"team": "vision"}, LastModifiedTime=now)


def test_a_tag_that_is_added_again_and_again_hides_no_ended_job_from_the_sweep() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    touched(world)
    assert swept(world).without_verdict == (JOB,)


def test_a_tag_does_not_bring_back_what_ended_before_the_lookback() -> None:
    world = failed()
    world.clock.pass_by(LOOKBACK + 1)
    touched(world)
    assert swept(world) == NOTHING


@pytest.mark.parametrize("search", ["opted_in", "waiting", "again"])
def test_a_search_that_there_was_no_time_for_is_named_and_what_it_found_is_sent(
    search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    nothing: list[tuple[SeenJob, ...]] = []
    for other in {"opted_in", "waiting", "again"} - {search}:
        monkeypatch.setattr(world.sagemaker, other, lambda **_: iter(nothing), raising=False)
    found = sweep(world.fleet(), SETTINGS, world.clock(), lambda: 0.0)
    assert found.cut == (search,)
    assert len(world.queue.bodies) == (search == "opted_in")
