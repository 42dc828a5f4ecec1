"""Schedules of the local AWS: when they fire, as whom, and who may make them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    QUEUES,
    attributes,
    client_of,
    depth,
    eventually,
    message,
    queue,
    role,
    statement,
)

FAILED = {"TrainingJobStatus": "Failed"}


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


def schedule(scheduler: BaseClient, name: str, target: dict[str, Any], **settings: object) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    asked = {
        "ScheduleExpression": f"at({moment:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        **settings,
    }
    scheduler.create_schedule(Name=name, Target=target, **asked)


def test_a_one_shot_schedule_sends_its_input_once_and_is_gone(aws: ServedAws) -> None:
    url, arn = queue(aws, "woken")
    sender = role(aws, "sends", QUEUES, service="scheduler")
    target = {"Arn": arn, "RoleArn": sender, "Input": '{"job": "a"}'}
    schedule(aws.client("scheduler"), "wake", target)
    with pytest.raises(ClientError, match="ConflictException"):
        schedule(aws.client("scheduler"), "wake", target)
    assert message(aws, url)["Body"] == '{"job": "a"}'
    eventually(lambda: not aws.client("scheduler").list_schedules(NamePrefix="wake")["Schedules"])
    schedule(aws.client("scheduler"), "wake", target)
    assert message(aws, url)["Body"] == '{"job": "a"}', "the same name fires again"


def test_a_deleted_schedule_made_anew_fires_again(aws: ServedAws) -> None:
    url, arn = queue(aws, "woken-again")
    sender = role(aws, "sends-again", QUEUES, service="scheduler")
    target = {"Arn": arn, "RoleArn": sender, "Input": "now"}
    scheduler = aws.client("scheduler")
    for _ in range(2):
        schedule(aws.client("scheduler"), "again", target, ActionAfterCompletion="NONE")
        assert message(aws, url)["Body"] == "now"
        scheduler.delete_schedule(Name="again")


def test_a_rate_begins_at_once(aws: ServedAws) -> None:
    url, arn = queue(aws, "every-hour")
    sender = role(aws, "sends-hourly", QUEUES, service="scheduler")
    target = {"Arn": arn, "RoleArn": sender}
    schedule(aws.client("scheduler"), "hourly", target, ScheduleExpression="rate(1 hour)")
    body = json.loads(message(aws, url)["Body"])
    assert (body["source"], body["detail-type"]) == ("aws.scheduler", "Scheduled Event")


@pytest.mark.parametrize("service", ["scheduler", "lambda"])
def test_a_schedule_acts_under_its_own_role(aws: ServedAws, service: str) -> None:
    """Neither a role that may not send nor one that does not trust Scheduler delivers."""
    url, arn = queue(aws, f"not-for-{service}")
    dead, dead_arn = queue(aws, f"dead-{service}")
    allowed = [statement("sqs:SendMessage", resource=dead_arn)]
    sender = role(aws, f"limited-{service}", allowed, service=service)
    target = {"Arn": arn, "RoleArn": sender, "DeadLetterConfig": {"Arn": dead_arn}, "Input": "x"}
    schedule(aws.client("scheduler"), f"limited-{service}", target)
    found = attributes(message(aws, dead))
    assert found["ERROR_CODE"] == "NO_PERMISSIONS"
    assert found["TARGET_ARN"] == arn
    assert depth(aws, url) == 0


def test_a_schedule_needs_the_right_to_its_group_and_to_pass_its_role(aws: ServedAws) -> None:
    _, arn = queue(aws, "scheduled-by-another")
    sender = role(aws, "passed", QUEUES, service="scheduler")
    aws.client("scheduler").create_schedule_group(Name="waits")
    own_group = "arn:aws:scheduler:eu-west-1:000000000000:schedule/waits/*"
    makes = statement("scheduler:CreateSchedule", resource=own_group)
    passes = {
        **statement("iam:PassRole", resource=sender),
        "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
    }
    target = {"Arn": arn, "RoleArn": sender, "Input": "x"}
    later = {"ScheduleExpression": "at(2099-01-01T00:00:00)"}
    with client_of(aws, "may-both", [makes, passes], "scheduler") as both:
        schedule(both, "allowed", target, GroupName="waits", **later)
        with pytest.raises(ClientError, match="AccessDenied"):
            schedule(both, "elsewhere", target, **later)
    with (
        client_of(aws, "may-make", [makes], "scheduler") as cannot_pass,
        pytest.raises(ClientError, match="iam:PassRole"),
    ):
        schedule(cannot_pass, "refused", target, GroupName="waits", **later)
