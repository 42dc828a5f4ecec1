"""Queues to functions on the local AWS: batches, failures, limits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    LOGS,
    QUEUES,
    client_of,
    depth,
    eventually,
    function,
    invoke,
    logged,
    message,
    queue,
    statement,
)

FAILED = {"TrainingJobStatus": "Failed"}


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


def mapping(aws: ServedAws, name: str, queue_arn: str, **settings: object) -> None:
    aws.client("lambda").create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=queue_arn,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        **settings,
    )


def test_a_message_that_keeps_failing_ends_among_the_dead_letters_alone(aws: ServedAws) -> None:
    dead, dead_arn = queue(aws, "given-up")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = queue(aws, "partly", VisibilityTimeout="1", RedrivePolicy=redrive)
    code = """
        def handler(event, context):
            failed = [r["messageId"] for r in event["Records"] if r["body"] == "bad"]
            return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
    """
    function(aws, "reports", code, allowed=[*LOGS, *QUEUES], Timeout=1)
    # Warm: a cold start may take longer than the second for which a message is not visible.
    invoke(aws, "reports", {"Records": []})
    sqs = aws.client("sqs")
    for body in ("good", "bad", "fine"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    mapping(aws, "reports", arn, BatchSize=3)
    letter = message(aws, dead)
    assert letter["Body"] == "bad"
    assert depth(aws, url) == 0


def test_a_malformed_report_loses_no_message(aws: ServedAws) -> None:
    dead, dead_arn = queue(aws, "kept")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    url, arn = queue(aws, "malformed", VisibilityTimeout="1", RedrivePolicy=redrive)
    code = "def handler(event, context): return {'batchItemFailures': [{'id': 'typo'}]}"
    function(aws, "mistypes", code, allowed=[*LOGS, *QUEUES], Timeout=1)
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="precious")
    mapping(aws, "mistypes", arn)
    assert message(aws, dead)["Body"] == "precious"


def test_no_more_batches_run_at_once_than_the_mapping_allows(
    aws: ServedAws, tmp_path: Path
) -> None:
    url, arn = queue(aws, "many")
    code = """
        import os, time
        from pathlib import Path
        def handler(event, context):
            running = Path(os.environ["RUNNING"])
            mine = running / context.aws_request_id
            mine.touch()
            time.sleep(0.05)
            counts = running.parent / "counts"
            # The first one waits for a second, however long that one takes to start.
            while not counts.exists() and len(list(running.iterdir())) < 2:
                time.sleep(0.01)
            with counts.open("a") as file:
                file.write(f"{len(list(running.iterdir()))}\\n")
            time.sleep(0.1)
            mine.unlink()
    """
    running = tmp_path / "running"
    running.mkdir()
    variables = {"Variables": {"RUNNING": str(running)}}
    allowed = [*LOGS, *QUEUES]
    function(aws, "counts", code, allowed=allowed, Environment=variables, Timeout=30)
    sqs = aws.client("sqs")
    for number in range(6):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    mapping(aws, "counts", arn, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    counts = tmp_path / "counts"
    eventually(lambda: counts.exists() and len(counts.read_text().split()) == 6)
    assert max(map(int, counts.read_text().split())) == 2


def test_a_batching_window_gathers_messages(aws: ServedAws) -> None:
    url, arn = queue(aws, "gathered")
    code = "def handler(event, context): print('batch of', len(event['Records']))"
    function(aws, "gathers", code, allowed=[*LOGS, *QUEUES])
    mapping(aws, "gathers", arn, BatchSize=10, MaximumBatchingWindowInSeconds=2)
    # One, and then the others in one call: they have the whole window.
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="first")
    others = [{"Id": str(number), "MessageBody": str(number)} for number in range(2)]
    aws.client("sqs").send_message_batch(QueueUrl=url, Entries=others)
    assert [line for line in logged(aws, "gathers") if "batch" in line] == ["batch of 3"]


@pytest.mark.parametrize(
    ("allowed", "visibility", "reason"),
    [
        (QUEUES, "2", "Queue visibility timeout: 2 seconds is less than Function timeout: 3"),
        (LOGS, "30", "does not have permissions to call ReceiveMessage on SQS"),
    ],
)
def test_a_mapping_that_could_not_work_is_refused(
    aws: ServedAws, allowed: list[dict[str, Any]], visibility: str, reason: str
) -> None:
    name = f"refused-{visibility}"
    _, arn = queue(aws, name, VisibilityTimeout=visibility)
    function(aws, name, "def handler(event, context): pass", allowed=allowed, Timeout=3)
    with pytest.raises(ClientError, match=reason):
        mapping(aws, name, arn)


def test_who_may_send_may_send_a_batch(aws: ServedAws) -> None:
    url, arn = queue(aws, "batches")
    entries = [{"Id": str(number), "MessageBody": "x"} for number in range(2)]
    sends = statement("sqs:SendMessage", resource=arn)
    with client_of(aws, "sends-batches", [sends], "sqs") as sender:
        assert len(sender.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 2
    receives = statement("sqs:ReceiveMessage", resource=arn)
    with (
        client_of(aws, "only-receives", [receives], "sqs") as receiver,
        pytest.raises(ClientError, match="AccessDenied"),
    ):
        receiver.send_message_batch(QueueUrl=url, Entries=entries)
