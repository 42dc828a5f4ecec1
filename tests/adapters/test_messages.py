"""Where messages go: in memory and through the adapters on moto, the same."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from local.in_memory import (
    ACCOUNT,
    REGION,
    InMemoryDeadLetters,
    InMemoryQueue,
    InMemorySchedules,
)
from local.replaying.event import replay
from local.replaying.surroundings import Message, Surroundings
from resilience.adapters.messages import CheckQueue, DeadLetterQueue, OneShotSchedules, Topic
from resilience.decide.decisions import Decision
from resilience.ports import Waits
from resilience.wire import events
from resilience.wire.events import Hint
from resilience.wire.words import stamp

NOW = 1_769_826_600  # 2026-01-31T02:30:00Z
DUE = NOW + 1800
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:training-ended"
LONGEST_JOB = "n" * 63
pytestmark = pytest.mark.usefixtures("moto")


def hint_in(body: str) -> Hint:
    parsed = events.parse(body, account=ACCOUNT, region=REGION)
    assert isinstance(parsed, Hint)
    return parsed


def client(service: str) -> Any:  # noqa: ANN401 — boto3 has no types
    return boto3.client(service, region_name=REGION)


# --- waits


def schedules(scheduler: Any) -> OneShotSchedules:  # noqa: ANN401 — boto3 has no types
    return OneShotSchedules(
        scheduler,
        group="waits",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/wait",
        queue_arn=QUEUE_ARN,
        account=ACCOUNT,
        region=REGION,
        now=lambda: NOW,
    )


@pytest.fixture
def scheduler() -> Any:  # noqa: ANN401 — boto3 has no types
    found = client("scheduler")
    found.create_schedule_group(Name="waits")
    return found


@dataclass(frozen=True)
class Kept:
    """Schedules, and when each of them that stands will fire."""

    waits: Waits
    due: Callable[[], list[str]]


@pytest.fixture(params=["in memory", "scheduler"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "scheduler":
        there = request.getfixturevalue("scheduler")
        return Kept(schedules(there), lambda: sorted(_expressions(there)))
    fake = InMemorySchedules(lambda: NOW)
    return Kept(fake, lambda: sorted(f"at({stamp(due)[:-1]})" for due in fake.due.values()))


def _expressions(scheduler: Any) -> Iterator[str]:  # noqa: ANN401 — boto3 has no types
    for summary in scheduler.list_schedules(GroupName="waits")["Schedules"]:
        made = scheduler.get_schedule(Name=summary["Name"], GroupName="waits")
        yield made["ScheduleExpression"]


def test_a_wait_is_scheduled_once_and_its_first_time_stands(kept: Kept) -> None:
    kept.waits.schedule("night-1", 1, DUE)
    kept.waits.schedule("night-1", 1, DUE + 99)
    assert kept.due() == ["at(2026-01-31T03:00:00)"]


@pytest.mark.parametrize("due", [NOW - 3600, NOW - 1, NOW, NOW + 59, NOW + 60])
def test_a_wait_that_is_due_by_now_is_scheduled_a_minute_ahead(kept: Kept, due: int) -> None:
    kept.waits.schedule("night-1", 1, due)
    assert kept.due() == ["at(2026-01-31T02:31:00)"]


def test_each_wait_of_each_job_has_a_schedule_of_its_own(kept: Kept) -> None:
    wanted = [("night-1", 1, DUE), ("night-1", 2, DUE + 1), ("night-2", 1, DUE + 2)]
    wanted += [(LONGEST_JOB, 1, DUE + 3), (LONGEST_JOB[:-1] + "m", 1, DUE + 4)]
    for one in wanted:
        kept.waits.schedule(*one)
    assert kept.due() == [f"at(2026-01-31T03:00:0{second})" for second in range(5)]


# --- reminders


def test_a_reminder_is_set_once_a_day_for_each_thing_that_was_reported(kept: Kept) -> None:
    assert not kept.waits.is_reminder_set("night-1", "no_checkpoint")
    kept.waits.remind("night-1", "no_checkpoint", DUE)
    kept.waits.remind("night-1", "no_checkpoint", DUE + 99)
    assert kept.waits.is_reminder_set("night-1", "no_checkpoint")
    assert not kept.waits.is_reminder_set("night-1", "wandb_refused")
    assert not kept.waits.is_reminder_set("night-2", "no_checkpoint")
    kept.waits.remind("night-1", "wandb_refused", DUE + 1)
    assert kept.due() == ["at(2026-01-31T03:00:00)", "at(2026-01-31T03:00:01)"]


@pytest.mark.parametrize("job", ["night-1", LONGEST_JOB])
def test_a_wait_is_no_reminder_and_a_reminder_no_wait(kept: Kept, job: str) -> None:
    kept.waits.schedule(job, 1, DUE)
    assert not kept.waits.is_reminder_set(job, "no_checkpoint")
    kept.waits.remind(job, "no_checkpoint", DUE + 1)
    kept.waits.schedule(job, 2, DUE + 2)
    assert len(kept.due()) == 3


def test_a_schedule_brings_a_message_to_the_queue_once_and_is_gone(scheduler: Any) -> None:  # noqa: ANN401 — boto3 has no types
    schedules(scheduler).schedule(LONGEST_JOB, 12, DUE)
    (summary,) = scheduler.list_schedules(GroupName="waits")["Schedules"]
    made = scheduler.get_schedule(Name=summary["Name"], GroupName="waits")
    assert len(made["Name"]) <= 64
    assert made["ScheduleExpression"] == "at(2026-01-31T03:00:00)"
    assert made["ScheduleExpressionTimezone"] == "UTC"
    assert (made["FlexibleTimeWindow"]["Mode"], made["ActionAfterCompletion"]) == ("OFF", "DELETE")
    assert made["Target"]["Arn"] == QUEUE_ARN
    hint = hint_in(made["Target"]["Input"])
    assert (hint.job, hint.source) == (LONGEST_JOB, "resilience.wait")


def test_the_schedule_in_memory_brings_the_same_message(scheduler: Any) -> None:  # noqa: ANN401 — boto3 has no types
    fake = InMemorySchedules(lambda: NOW)
    for one in (fake, schedules(scheduler)):
        one.schedule("night-1", 1, DUE)
    (summary,) = scheduler.list_schedules(GroupName="waits")["Schedules"]
    made = scheduler.get_schedule(Name=summary["Name"], GroupName="waits")
    assert fake.fire(DUE - 1) == ()
    assert fake.fire(DUE) == (made["Target"]["Input"],)
    assert fake.fire(DUE) == ()


# --- queues


@pytest.fixture
def queue() -> tuple[Any, str]:
    sqs = client("sqs")
    return sqs, sqs.create_queue(QueueName="a-queue")["QueueUrl"]


def received(queue: tuple[Any, str]) -> Iterator[dict[str, Any]]:
    sqs, url = queue
    while found := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        yield from found


def test_all_jobs_that_a_sweep_found_are_asked_about_however_many(queue: tuple[Any, str]) -> None:
    jobs, fake = [f"night-{number}" for number in range(23)], InMemoryQueue()
    fake.ask_to_check(jobs)
    CheckQueue(*queue, ACCOUNT, REGION).ask_to_check(iter(jobs))
    bodies = [message["Body"] for message in received(queue)]
    assert sorted(bodies) == sorted(fake.bodies)
    assert {hint_in(body).job for body in bodies} == set(jobs)
    assert {hint_in(body).source for body in bodies} == {"resilience.sweep"}


def test_a_sweep_that_found_nothing_sends_nothing(queue: tuple[Any, str]) -> None:
    CheckQueue(*queue, ACCOUNT, REGION).ask_to_check(())
    assert list(received(queue)) == []


def test_what_is_quarantined_arrives_as_it_was_with_its_reason(queue: tuple[Any, str]) -> None:
    body, fake = 'no event: "ü" \n{', InMemoryDeadLetters()
    for one in (fake, DeadLetterQueue(*queue)):
        one.quarantine(body, "message_malformed: not JSON")
    (message,) = received(queue)
    reason = message["MessageAttributes"]["resilience.reason"]["StringValue"]
    assert [(message["Body"], reason)] == fake.quarantined


# --- people


def a_decision() -> Decision:
    body = events.check("night-1", source="resilience.sweep", account=ACCOUNT, region=REGION)
    failed = {
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "TrainingStartTime": (NOW - 3600) * 1000,
        "TrainingEndTime": NOW * 1000,
        "FailureReason": "InternalServerError: of a job with the word tralala in it",
    }
    tags = {
        "WANDB_ENTITY": "example-team",
        "WANDB_PROJECT": "vision",
        "WANDB_CHECKPOINT_NAME": "model-night",
    }
    told = Surroundings(detail=failed, tags=tags)
    outcome = replay(Message("a message", body, told, assumed=False), {}).outcome
    assert isinstance(outcome, Decision)
    return outcome


def test_a_person_is_told_what_why_and_what_next(
    queue: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")
    sns = client("sns")
    topic = sns.create_topic(Name="notifications")["TopicArn"]
    sqs, url = queue
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    Topic(sns, topic).publish(a_decision())
    (message,) = received(queue)
    told = json.loads(message["Body"])
    assert told["Subject"] == "RELAUNCH night-1"
    assert {
        "reason: resumed_from_checkpoint",
        "next: night-1-r2 continues; nothing to do",
        "checkpoint: v3 at step 400",
    } <= set(told["Message"].splitlines())
    assert "tralala" not in message["Body"]
