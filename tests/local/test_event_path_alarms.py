"""Alarms of the local AWS: what they watch, when they fire, whom they tell."""

import json
import math
from collections.abc import Iterator

import pytest

from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import function, invoke, message, queue


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


def test_an_alarm_on_a_queue_tells_its_topic_of_that_queue_alone(aws: ServedAws) -> None:
    told, told_arn = queue(aws, "told")
    full, _ = queue(aws, "full")
    queue(aws, "empty")
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": told_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    aws.client("sqs").set_queue_attributes(QueueUrl=told, Attributes={"Policy": policy})
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told_arn)
    for name in ("full", "empty"):
        put_alarm(aws, name, topic)
    aws.client("sqs").send_message(QueueUrl=full, MessageBody="given up")
    said = json.loads(json.loads(message(aws, told)["Body"])["Message"])
    assert (said["AlarmName"], said["NewStateValue"]) == ("full", "ALARM")
    states = aws.client("cloudwatch").describe_alarms(AlarmNames=["full", "empty"])["MetricAlarms"]
    assert {a["AlarmName"]: a["StateValue"] for a in states} == {"full": "ALARM", "empty": "OK"}


def put_alarm(aws: ServedAws, name: str, topic: str) -> None:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": name}],
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )


def test_a_log_line_in_the_embedded_format_is_a_metric(aws: ServedAws) -> None:
    code = """
        import json
        def handler(event, context):
            metric = {"Namespace": "Resilience", "Dimensions": [["service"]],
                      "Metrics": [{"Name": "relaunched", "Unit": "Count"}]}
            print(json.dumps({"_aws": {"Timestamp": 0, "CloudWatchMetrics": [metric]},
                              "service": "resilience", "relaunched": [1.0, 2.0]}))
            print(json.dumps({"_aws": "malformed"}))
    """
    function(aws, "measures", code)
    invoke(aws, "measures")
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="Resilience",
        MetricName="relaunched",
        Dimensions=[{"Name": "service", "Value": "resilience"}],
        StartTime=0,
        EndTime=4102444800,
        Period=60,
        Statistics=["Sum"],
    )
    assert math.fsum(point["Sum"] for point in found["Datapoints"]) == 3.0
