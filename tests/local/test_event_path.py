"""Rules of the local AWS: where an event goes, and where it ends when it cannot."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    attributes,
    client_of,
    depth,
    eventually,
    function,
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


def test_a_topic_under_a_key_takes_messages_only_from_who_may_use_the_key(aws: ServedAws) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]
    topic = aws.client("sns").create_topic(
        Name="secret", Attributes={"KmsMasterKeyId": key["KeyId"]}
    )
    arn = topic["TopicArn"]
    publishes = statement("sns:Publish", resource=arn)
    uses = statement("kms:GenerateDataKey", "kms:Decrypt", resource=key["Arn"])
    with client_of(aws, "publishes-and-uses", [publishes, uses], "sns") as both:
        assert both.publish(TopicArn=arn, Message="x")["MessageId"]
    with (
        client_of(aws, "only-publishes", [publishes], "sns") as one,
        pytest.raises(ClientError, match="KMSAccessDenied"),
    ):
        one.publish(TopicArn=arn, Message="x")
