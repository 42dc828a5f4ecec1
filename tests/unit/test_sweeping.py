"""What events missed is found, put on the one path that acts, and decided on there."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local.in_memory import InMemoryWorld
from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import Mode, Reason, Verdict
from resilience.fleet.jobs import Pages, SeenJob
from resilience.fleet.sweeping import Swept, sweep
from resilience.wire import tags
from tests.unit.fleet_story import swept
from tests.unit.recovery_world import (
    JOB,
    PROOF,
    ROLE_REFUSED,
    SUCCESSOR,
    SWEEP,
    TAGS,
    decide,
    deliver,
    described_job,
    failed,
    hint_of,
    never_started,
    trained,
    verdict_of,
)

GRACE, LOOKBACK = SWEEP.grace_seconds, SWEEP.lookback_seconds
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


def test_a_job_of_a_project_that_is_not_allowed_is_left_alone() -> None:
    world = failed(tags=TAGS | {"WANDB_ENTITY": "stranger"}, environment={})
    world.clock.pass_by(GRACE)
    assert swept(world) == NOTHING


def test_a_job_that_was_tagged_out_of_its_allowed_project_is_found_all_the_same() -> None:
    """Its launch named the project and its tag the entity: the two are allowed, and it stops."""
    world = failed(
        tags=TAGS | {"WANDB_PROJECT": "elsewhere"}, environment={"WANDB_PROJECT": "vision"}
    )
    world.clock.pass_by(GRACE)
    settings = replace(SWEEP, allowed_projects=("example-team/vision",))
    found = sweep(world.fleet(), settings, world.clock(), lambda: 60.0)
    assert found.without_verdict == (JOB,)


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
    world = never_started(ROLE_REFUSED)
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


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_a_sweep_that_asks_nothing_still_says_how_the_breaker_stands(mode: Mode) -> None:
    world = failed()
    world.mode, world.breaker = mode, Breaker(state=Circuit.OPEN)
    assert swept(world) == Swept((), (), Circuit.OPEN)


def test_a_wait_whose_schedule_was_lost_is_taken_up_when_it_is_overdue() -> None:
    world = never_started()
    due = decide(world).due
    assert due is not None
    world.schedules.due.clear()
    world.clock.now = due + GRACE - 1
    assert swept(world) == NOTHING
    world.clock.pass_by(1)
    assert swept(world).overdue == (JOB,)
    work_off(world)
    assert (verdict_of(world), world.sagemaker.names()) == ("RELAUNCH", (JOB, SUCCESSOR))


def test_a_wait_whose_due_time_is_gone_is_overdue_at_once() -> None:
    world = never_started()
    deliver(world)
    own = world.sagemaker.tags(JOB) or {}
    del own[tags.DUE]
    world.sagemaker.put(JOB, described_job(world), own)
    assert swept(world).overdue == (JOB,)


def test_a_wait_is_taken_up_however_long_ago_its_job_ended() -> None:
    world = never_started()
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
    assert decide(world).reason is Reason.ALREADY_DECIDED
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


# --- many jobs, little time


def seen_job(name: str, ended_at: int) -> SeenJob:
    return SeenJob(
        name=name,
        status="Failed",
        tags=TAGS,
        environment={},
        started_at=ended_at - 60,
        ended_at=ended_at,
        described={"TrainingJobStatus": "Failed"},
    )


def test_a_sweep_that_runs_out_of_time_has_sent_what_it_found_and_says_what_it_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = trained()
    now = world.clock()

    def pages(**_: object) -> Pages:
        for page in range(50):
            yield tuple(seen_job(f"job-{page}-{n}", now - GRACE) for n in range(100))

    monkeypatch.setattr(world.sagemaker, "opted_in", pages)
    left = iter([60.0, 60.0, *(60.0 - 15 * page for page in range(50))])
    found = swept(world, seconds_left=lambda: next(left))
    assert found.cut == ("opted_in",)
    # With just the reserve left, there is time for one page more.
    assert len(found.without_verdict) == len(world.queue.bodies) == 500


def test_a_sweep_without_time_reads_one_page_of_each_search_and_names_them_all() -> None:
    world = failed()
    world.clock.pass_by(GRACE)
    found = swept(world, seconds_left=lambda: 0.0)
    assert found.without_verdict == (JOB,)
    assert found.cut == ("waiting", "again", "opted_in")


def test_of_endless_failures_the_breaker_reads_so_many_pages_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = trained()

    def endless(**_: object) -> Pages:
        while True:
            yield (seen_job("junk", world.clock()),)

    monkeypatch.setattr(world.sagemaker, "failed", endless)
    assert swept(world).cut == ("failed",)


# --- a person's word


def test_a_person_has_a_job_of_any_age_decided_on_again_and_once() -> None:
    world = failed()
    world.clock.pass_by(400 * 86_400)
    assert decide(world).reason is Reason.ENDED_TOO_LONG_AGO
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: "Jo, 2027-03-07"})
    assert swept(world).without_verdict == (JOB,)
    work_off(world)
    assert world.sagemaker.names() == (JOB, SUCCESSOR)
    assert verdict_of(world) == "RELAUNCH"
    assert swept(world) == NOTHING
    successor = world.sagemaker.tags(SUCCESSOR) or {}
    assert not {tags.AGAIN, tags.ANSWERED} & successor.keys()


def test_another_word_asks_again_and_of_a_relaunched_job_it_is_answered_too() -> None:
    world = failed()
    deliver(world)
    for word in ("once", "twice"):
        world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: word})
        assert swept(world).without_verdict == (JOB,)
        work_off(world)
        assert swept(world) == NOTHING
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


@pytest.mark.parametrize("own", [{}, TAGS | {"WANDB_ENTITY": "stranger"}])
def test_a_word_on_a_job_that_would_get_no_verdict_asks_nothing(own: dict[str, str]) -> None:
    """It never opted in, or its project is not allowed: each sweep would find it again."""
    world = failed(tags=own | {tags.AGAIN: "please"}, environment={})
    assert swept(world) == NOTHING


def test_no_word_brings_back_what_a_person_stopped() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Stopped", "Stopped")
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: "please"})
    swept(world)
    work_off(world)
    assert world.sagemaker.names() == (JOB,)
    assert swept(world) == NOTHING
