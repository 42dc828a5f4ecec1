"""What EventBridge is told of a job, how often, and when it is not told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.local_sagemaker_driver import Driver, policy, sagemaker_in, ticks


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws")) as driver:
        yield driver


@pytest.fixture(scope="module")
def queue(local: Driver) -> str:
    """Receive every event of SageMaker's, through a rule of the real pattern."""
    sqs, events = local.aws.client("sqs"), local.aws.client("events")
    url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(send)})
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
    }
    events.put_rule(Name="jobs", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def heard(local: Driver, queue: str) -> list[dict[str, Any]]:
    """Receive what there is."""
    sqs = local.aws.client("sqs")
    events = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            events.append(json.loads(message["Body"]))
    return events


def told(local: Driver, queue: str, name: str, until: int) -> list[dict[str, Any]]:
    """Listen until that many events have come, which must all be of the job."""
    found: list[dict[str, Any]] = []
    for _ in ticks():
        found += heard(local, queue)
        if len(found) >= until:
            break
    assert {event["detail"]["TrainingJobName"] for event in found} == {name}
    return found


def test_every_change_is_told_and_the_last_one_twice(local: Driver, queue: str) -> None:
    local.run("told", "exit 1", Environment={"SECRET": "s"}, Tags=[{"Key": "a", "Value": "b"}])
    events = told(local, queue, "told", 7)
    assert [event["detail"]["SecondaryStatus"] for event in events] == [
        "Starting",
        "Pending",
        "Downloading",
        "Training",
        "Uploading",
        "Failed",
        "Failed",
    ]
    assert len({event["id"] for event in events}) == 7


def test_an_event_has_the_real_shape(local: Driver, queue: str) -> None:
    job = local.run(
        "shape",
        "exit 1",
        Environment={"SECRET": "s"},
        HyperParameters={"lr": "1"},
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": "s3://artifacts/c"},
        Tags=[{"Key": "team", "Value": "vision"}],
    )
    events = told(local, queue, "shape", 7)
    event, detail = events[-1], events[-1]["detail"]
    assert event["source"] == "aws.sagemaker"
    assert event["resources"] == [local.arn("shape")]
    assert detail["Tags"] == {"team": "vision"}
    assert detail["FailureReason"] == job["FailureReason"]
    assert detail["CreationTime"] == int(job["CreationTime"].timestamp() * 1000)
    assert detail["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert not {"Environment", "CheckpointConfig", "RetryStrategy"} & set(detail)
    assert "FailureReason" not in events[0]["detail"]
    assert "s" not in json.dumps(event).split('"')


def test_events_can_be_lost(local: Driver, queue: str) -> None:
    local.aws.fault("drop_events", "silent")
    local.run("silent")
    local.run("heard")
    # What was told of the second came after whatever would have been told of the first.
    assert len(told(local, queue, "heard", 7)) == 7


def test_events_can_come_more_often(local: Driver, queue: str) -> None:
    local.aws.fault("duplicate_events", "loud", copies=3)
    local.run("loud")
    assert len(told(local, queue, "loud", 18)) == 18
