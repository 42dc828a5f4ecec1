"""Nothing goes wrong in silence."""

from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

from tests.template.stack import ACCOUNT, REGION, stack
from tests.template.test_way_of_an_event import dead_letter_queues

STACK = stack()
ALARMS = STACK.of_type("AWS::CloudWatch::Alarm")


def on(metric: str, dimension: str, value: str) -> dict[str, Any]:
    """The one alarm on a metric of a resource."""
    (alarm,) = [
        alarm
        for alarm in ALARMS.values()
        if alarm["MetricName"] == metric
        and alarm["Dimensions"] == [{"Name": dimension, "Value": value}]
    ]
    return alarm


def fires_at(alarm: dict[str, Any], value: float) -> bool:
    threshold = float(alarm["Threshold"])
    return {"GreaterThanThreshold": value > threshold, "LessThanThreshold": value < threshold}[
        alarm["ComparisonOperator"]
    ]


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_the_first_dead_letter_raises_an_alarm(queue: str) -> None:
    alarm = on("ApproximateNumberOfMessagesVisible", "QueueName", queue)
    assert fires_at(alarm, 1)
    assert not fires_at(alarm, 0)
    assert (alarm["Namespace"], alarm["Statistic"]) == ("AWS/SQS", "Maximum")


@pytest.mark.parametrize("function", STACK.of_type("AWS::Lambda::Function"))
def test_a_function_that_fails_twice_in_a_period_raises_an_alarm(function: str) -> None:
    alarm = on("Errors", "FunctionName", function)
    assert fires_at(alarm, 2)
    assert not fires_at(alarm, 0)


def test_jobs_that_wait_to_be_judged_raise_an_alarm_before_their_message_is_hidden_thrice() -> None:
    alarm = on("ApproximateAgeOfOldestMessage", "QueueName", "TrainingEndedQueue")
    assert alarm["Threshold"] <= 3 * STACK.properties("TrainingEndedQueue")["VisibilityTimeout"]
    assert fires_at(alarm, 1_000)


def test_throttling_raises_an_alarm() -> None:
    assert fires_at(on("Throttles", "FunctionName", "OnTrainingEnded"), 1)


def test_a_sweep_that_no_longer_runs_raises_an_alarm() -> None:
    alarm = on("Invocations", "FunctionName", "Sweep")
    assert fires_at(alarm, 0)
    assert alarm["TreatMissingData"] == "breaching"  # no run sends no zero
    assert alarm["Period"] >= 59 * 60  # the slowest schedule that is allowed


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_it_means_and_tells_the_topic(alarm: str) -> None:
    properties = ALARMS[alarm]
    assert properties["AlarmDescription"].endswith(".")
    assert properties["AlarmActions"] == [STACK.arn("Notifications")]
    assert (properties["TreatMissingData"] == "breaching") == (alarm == "SweepSilent")


def key_answers(service: str, account: str, action: str) -> str:
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=STACK.arn("NotificationsKey"),
        region=REGION,
        service_context={"aws:sourceaccount": account},
    )
    document = STACK.properties("NotificationsKey")["KeyPolicy"]
    return str(evaluate_resource_policy(document, context, service=service).decision)


@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
def test_alarms_can_use_the_key_of_the_topic_they_tell(action: str) -> None:
    assert STACK.properties("Notifications")["KmsMasterKeyId"] == "NotificationsKey"
    assert key_answers("cloudwatch.amazonaws.com", ACCOUNT, action) == "Allow"
    assert key_answers("cloudwatch.amazonaws.com", "999999999999", action) == "ImplicitDeny"
    assert key_answers("events.amazonaws.com", ACCOUNT, action) == "ImplicitDeny"


def topic_answers(service: str, *, alarm: str, account: str = ACCOUNT, secure: bool = True) -> str:
    """What the topic's own policy says to a service on behalf of an alarm."""
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sns:Publish",
        resource_arn=STACK.arn("Notifications"),
        region=REGION,
        secure_transport=secure,
        service_context={"aws:sourcearn": alarm, "aws:sourceaccount": account},
    )
    document = STACK.properties("NotificationsPolicy")["PolicyDocument"]
    return str(evaluate_resource_policy(document, context, service=service).decision)


@pytest.mark.parametrize("alarm", ALARMS)
def test_each_alarm_of_ours_may_tell_the_topic(alarm: str) -> None:
    assert topic_answers("cloudwatch.amazonaws.com", alarm=STACK.arn(alarm)) == "Allow"


def test_no_other_alarm_and_no_other_service_may_tell_the_topic() -> None:
    ours = STACK.arn("DeadLetters")
    other = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:somebody-elses"
    denied = "ImplicitDeny"
    assert topic_answers("cloudwatch.amazonaws.com", alarm=other) == denied
    assert topic_answers("events.amazonaws.com", alarm=ours) == denied
    of_others = topic_answers("cloudwatch.amazonaws.com", alarm=ours, account="999999999999")
    assert of_others == denied


def test_nobody_tells_the_topic_without_tls() -> None:
    ours = STACK.arn("DeadLetters")
    assert topic_answers("cloudwatch.amazonaws.com", alarm=ours, secure=False) == "Deny"


def test_the_key_is_rotated() -> None:
    assert STACK.properties("NotificationsKey")["EnableKeyRotation"] is True


def test_a_person_is_told_by_mail_if_there_is_an_address() -> None:
    assert not STACK.of_type("AWS::SNS::Subscription")
    subscriptions = stack(NotificationEmail="oncall@example.com").of_type("AWS::SNS::Subscription")
    assert subscriptions == {
        "EmailSubscription": {
            "TopicArn": STACK.arn("Notifications"),
            "Protocol": "email",
            "Endpoint": "oncall@example.com",
        }
    }
