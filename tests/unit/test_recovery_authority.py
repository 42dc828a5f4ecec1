"""Who has the say: the job as it is now, and people; an event is only a hint."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from local.in_memory import InMemoryWorld
from resilience.decide.decisions import Mode, Reason, Verdict
from resilience.wire import tags
from resilience.wire.events import NotForUs
from tests.unit.recovery_world import (
    JOB,
    PROOF,
    ROLE_REFUSED,
    SUCCESSOR,
    TAGS,
    WANDB,
    Watched,
    decide,
    deliver,
    described_job,
    event,
    failed,
    hint,
    hint_of,
    never_started,
    take_up_the_waits,
    trained,
    untouched,
)


def test_a_job_that_a_person_stopped_never_comes_back() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Stopped", "Stopped")
    assert decide(world).reason is Reason.STOPPED_BY_USER
    assert decide(world).reason is Reason.ALREADY_DECIDED
    assert world.sagemaker.names() == (JOB,)


def test_a_successor_that_a_person_stopped_never_comes_back() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.end(SUCCESSOR, "Stopped", "Stopped")
    assert decide(world, hint(SUCCESSOR)).reason is Reason.STOPPED_BY_USER
    deliver(world)
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_a_job_that_is_switched_off_while_it_waits_stays_down() -> None:
    world = never_started()
    deliver(world)
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.MODE: "off"})
    assert [one.reason for one in take_up_the_waits(world)] == [Reason.MODE_OFF]
    assert world.sagemaker.names() == (JOB,)


def test_a_job_that_is_deleted_while_it_waits_stays_down() -> None:
    world = never_started()
    deliver(world)
    world.sagemaker.delete(JOB)
    (body,) = world.schedules.fire(world.clock() + 3600)
    assert deliver(world, hint_of(body, world)) == NotForUs(Reason.JOB_NOT_FOUND)


@pytest.mark.parametrize(
    "make", [failed, never_started, partial(never_started, ROLE_REFUSED)], ids=[*Verdict][:3]
)
@pytest.mark.parametrize("of_the_job", [False, True])
def test_observing_decides_and_changes_nothing(
    make: Callable[..., InMemoryWorld], *, of_the_job: bool
) -> None:
    world = make(tags=TAGS | {tags.MODE: "observe"} if of_the_job else TAGS)
    world.mode = Mode.ACT if of_the_job else Mode.OBSERVE
    acting = decide(make())
    observing = decide(world)
    assert (observing.verdict, observing.reason) == (acting.verdict, acting.reason)
    assert untouched(world)


def test_switched_off_not_even_a_question_is_asked() -> None:
    world = failed()
    world.mode = Mode.OFF
    watched = Watched(world)
    assert deliver(world, ports=watched.ports()) == NotForUs(Reason.MODE_OFF)
    assert watched.made == []


@pytest.mark.parametrize(
    ("status", "secondary"), [("InProgress", "Training"), ("Stopping", "Stopping")]
)
def test_nothing_is_launched_while_the_job_itself_has_not_ended(
    status: str, secondary: str
) -> None:
    world = trained()
    world.sagemaker.put(JOB, described_job(world) | {"TrainingJobStatus": status}, TAGS)
    world.sagemaker.end(JOB, status, secondary)
    decision = decide(world, event())
    assert decision.reason is Reason.NOT_ENDED
    assert untouched(world)


def test_a_state_that_nobody_knows_means_no_action() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Hibernating", "Hibernating")
    assert decide(world).reason is Reason.STATUS_UNKNOWN
    assert untouched(world)


def test_the_events_own_tags_only_start_the_question_early() -> None:
    world = failed()
    decide(world, event())
    assert world.wandb.asked == [WANDB]


def test_the_jobs_tags_overrule_those_of_an_older_event() -> None:
    world = failed()
    stale = TAGS | {"WANDB_CHECKPOINT_NAME": "model-of-an-older-run"}
    decision = decide(world, event(stale))
    assert decision.facts.request == WANDB
    assert WANDB in world.wandb.asked
    assert [one.version for one in decision.facts.checkpoints] == ["v1", "v0"]


def test_an_event_cannot_opt_a_job_in() -> None:
    world = failed(tags={}, environment={})
    decision = decide(world, event())
    assert decision.reason is Reason.NOT_OPTED_IN
    assert untouched(world)


def test_of_a_job_that_is_not_opted_in_wandb_is_asked_nothing() -> None:
    world = failed(tags={"team": "vision"}, environment={})
    assert decide(world, event({"team": "vision"})).reason is (Reason.NOT_OPTED_IN)
    assert world.wandb.asked == []


def test_of_a_job_that_ended_well_wandb_is_asked_nothing() -> None:
    world = trained(TAGS | {tags.COMPLETED: PROOF})
    world.sagemaker.end(JOB, "Completed", "Completed")
    assert decide(world, replace(event(), status="Completed")).reason is Reason.COMPLETED
    assert world.wandb.asked == []
