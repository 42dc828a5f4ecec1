"""The way of an event on the local AWS: rule, queue, function, schedules, dead letters."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    LOGS,
    QUEUES,
    eventually,
    function,
    logged,
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


def rule(aws: ServedAws, source: str, target: dict[str, Any]) -> str:
    """A rule for this source alone; its ARN."""
    client = aws.client("events")
    made = client.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    client.put_targets(Rule=source, Targets=[{"Id": "target", **target}])
    return str(made["RuleArn"])


def admit(aws: ServedAws, url: str, arn: str, source_arn: str) -> None:
    """A policy like the product's: this rule alone, and nobody without TLS."""
    statements = [
        {
            **statement("sqs:SendMessage", resource=arn),
            "Principal": {"Service": "events.amazonaws.com"},
            "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
        },
        {
            **statement("sqs:*", resource=arn),
            "Effect": "Deny",
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def depth(aws: ServedAws, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(count) for count in found["Attributes"].values())


def attributes(letter: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}


# --- rules ---


def test_an_event_goes_to_a_queue_that_admits_its_rule(aws: ServedAws) -> None:
    url, arn = queue(aws, "admits")
    admit(aws, url, arn, rule(aws, "aws.admits", {"Arn": arn}))
    aws.emit(FAILED, "aws.admits")
    assert json.loads(message(aws, url)["Body"])["detail"] == FAILED


def test_an_event_that_a_queue_refuses_goes_to_the_dead_letters_of_its_rule(
    aws: ServedAws,
) -> None:
    url, arn = queue(aws, "refuses")
    dead, dead_arn = queue(aws, "undelivered")
    target = {
        "Arn": arn,
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": dead_arn},
    }
    rule_arn = rule(aws, "aws.refused", target)
    admit(aws, url, arn, "arn:aws:events:eu-west-1:000000000000:rule/another")
    admit(aws, dead, dead_arn, rule_arn)
    aws.emit(FAILED, "aws.refused")
    letter = message(aws, dead)
    assert json.loads(letter["Body"])["detail"] == FAILED
    found = attributes(letter)
    assert found.pop("ERROR_MESSAGE")
    assert found == {"RULE_ARN": rule_arn, "TARGET_ARN": arn, "ERROR_CODE": "NO_PERMISSIONS"}
    assert depth(aws, url) == 0


def test_an_event_for_a_queue_that_is_gone_is_a_dead_letter(aws: ServedAws) -> None:
    url, arn = queue(aws, "gone")
    dead, dead_arn = queue(aws, "after-gone")
    target = {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}}
    admit(aws, dead, dead_arn, rule(aws, "aws.gone", target))
    aws.client("sqs").delete_queue(QueueUrl=url)
    aws.emit(FAILED, "aws.gone")
    assert attributes(message(aws, dead))["ERROR_CODE"] == "NO_RESOURCE"


def test_dead_letters_need_a_queue_that_admits_the_rule(aws: ServedAws) -> None:
    _, arn = queue(aws, "refuses-too")
    dead, dead_arn = queue(aws, "admits-nobody")
    rule(aws, "aws.lost", {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    aws.emit(FAILED, "aws.lost")
    eventually(lambda: _metric(aws, "InvocationsFailedToBeSentToDlq", "aws.lost"))
    assert depth(aws, dead) == 0


def _metric(aws: ServedAws, name: str, rule_name: str) -> bool:
    dimension = {"Name": "RuleName", "Value": rule_name}
    found = aws.client("cloudwatch").list_metrics(MetricName=name, Dimensions=[dimension])
    return bool(found["Metrics"])


def test_a_function_is_invoked_only_by_a_rule_it_admits(aws: ServedAws) -> None:
    arn = function(aws, "admitting", "def handler(event, context): print(event['detail'])")
    dead, dead_arn = queue(aws, "not-invoked")
    target = {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}}
    rule_arn = rule(aws, "aws.invokes", target)
    admit(aws, dead, dead_arn, rule_arn)
    aws.emit(FAILED, "aws.invokes")
    assert attributes(message(aws, dead))["ERROR_CODE"] == "NO_PERMISSIONS"
    aws.client("lambda").add_permission(
        FunctionName="admitting",
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )
    aws.emit(FAILED, "aws.invokes")
    assert str(FAILED) in logged(aws, "admitting")


# --- queues to functions ---


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
            with (running.parent / "counts").open("a") as counts:
                counts.write(f"{len(list(running.iterdir()))}\\n")
            time.sleep(0.3)
            mine.unlink()
    """
    running = tmp_path / "running"
    running.mkdir()
    variables = {"Variables": {"RUNNING": str(running)}}
    function(aws, "counts", code, allowed=[*LOGS, *QUEUES], Environment=variables)
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
    mapping(aws, "gathers", arn, BatchSize=10, MaximumBatchingWindowInSeconds=1)
    for number in range(3):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))
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


# --- schedules ---


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
    with _scheduler_of(aws, "may-both", [makes, passes]) as both:
        schedule(both, "allowed", target, GroupName="waits", **later)
        with pytest.raises(ClientError, match="AccessDenied"):
            schedule(both, "elsewhere", target, **later)
    with (
        _scheduler_of(aws, "may-make", [makes]) as cannot_pass,
        pytest.raises(ClientError, match="iam:PassRole"),
    ):
        schedule(cannot_pass, "refused", target, GroupName="waits", **later)


def _scheduler_of(
    aws: ServedAws, name: str, allowed: list[dict[str, Any]]
) -> AbstractContextManager[BaseClient]:
    """The scheduler client, to be closed, of someone with these permissions."""
    arn = role(aws, name, allowed, principal={"AWS": "*"})
    session = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")
    return closing(aws.acting_as(session["Credentials"], "scheduler"))
