"""What events missed is found, put on the one path that acts, and judged there."""

import pytest

from local.in_memory import InMemoryWorld
from resilience import tags
from resilience.decisions import Mode, Reason, Verdict
from resilience.settings import SweepSettings
from resilience.sweeping import Swept, sweep
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

GRACE, LOOKBACK, WINDOW = 180, 172_800, 900
NOTHING = Swept((), ())


def swept(world: InMemoryWorld, mode: Mode | None = None, breaker_failures: int = 25) -> Swept:
    settings = SweepSettings(
        mode=Mode.ACT,
        mode_parameter="/resilience/mode",
        allowed_projects=("*/*",),
        queue_url="https://sqs.invalid/queue",
        grace_seconds=GRACE,
        lookback_seconds=LOOKBACK,
        topic_arn="arn:aws:sns:us-east-1:123456789012:topic",
        breaker_failures=breaker_failures,
        breaker_window_seconds=WINDOW,
    )
    world.mode = mode or world.mode
    return sweep(world.fleet(), settings, world.clock())


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
    assert swept(world, mode) == NOTHING
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


def failing(world: InMemoryWorld, relaunched: int) -> None:
    """Have so many relaunched jobs fail now."""
    for number in range(relaunched):
        job = {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed"}
        world.sagemaker.put(f"bad-{number}-r2", job, {tags.PARENT: f"bad-{number}"})


def test_many_relaunched_jobs_that_fail_at_once_trip_the_breaker() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    failing(world, 4)
    assert not swept(world, breaker_failures=5).breaker_tripped
    world.queue.bodies.clear()
    failing(world, 7)
    assert swept(world, breaker_failures=5) == Swept((), (), breaker_tripped=True)
    assert (world.mode, world.queue.bodies) == (Mode.OBSERVE, [])
    [(subject, text)] = world.topic.told
    assert subject == "fleet breaker tripped: the controller only observes"
    assert text.splitlines() == [
        f"5 or more relaunched training jobs failed since {tags.stamp(world.clock() - WINDOW)}.",
        "That is one cause, not many.",
        "Nothing is relaunched until somebody has looked: docs/runbook.md#fleet_breaker_tripped",
        "reset: aws ssm put-parameter --overwrite --name /resilience/mode --value act",
    ]


def test_a_tripped_breaker_tells_once_and_relaunches_nothing() -> None:
    world = failed()
    failing(world, 5)
    swept(world, breaker_failures=5)
    world.clock.pass_by(GRACE)
    assert swept(world, breaker_failures=5) == NOTHING
    assert len(world.topic.told) == 1
    deliver(world, hint(JOB))
    assert SUCCESSOR not in world.sagemaker.names()


def test_a_person_who_sets_the_mode_back_has_seen_the_failures_before() -> None:
    world = failed()
    failing(world, 5)
    swept(world, breaker_failures=5)
    world.clock.pass_by(GRACE)
    world.set_mode(Mode.ACT)
    assert swept(world, breaker_failures=5).without_verdict == (JOB,)


def test_failures_older_than_the_window_do_not_count() -> None:
    world = failed()
    failing(world, 5)
    world.clock.pass_by(WINDOW + 1)
    assert not swept(world, breaker_failures=5).breaker_tripped
