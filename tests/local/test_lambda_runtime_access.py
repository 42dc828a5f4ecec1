"""What a function may do under its role, and what it leaves in logs and metrics."""

import concurrent.futures
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.raw_requests import ask
from tests.local.served_aws import ServedAws, served_aws
from tests.local.small_functions import (
    LOGS,
    eventually,
    function,
    invoke,
    message,
    queue,
    role,
    statement,
)

WITNESS = Path(__file__).parent / "event_path_stack" / "functions" / "witness.py"


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


# Calls of a function without boto3 in its zip: signed by hand, with what its process was given.
READER = """
def handler(event, context):
    return call("ssm", "AmazonSSM.GetParameter", {"Name": event["name"]})
"""


def test_a_function_may_what_its_role_allows_and_no_more(aws: ServedAws) -> None:
    aws.client("ssm").put_parameter(Name="/open", Type="String", Value="here")
    aws.client("ssm").put_parameter(Name="/closed", Type="String", Value="not here")
    open_one = f"arn:aws:ssm:{aws.session.region_name}:*:parameter/open"
    code = WITNESS.read_text() + READER
    function(aws, "reads", code, allowed=[statement("ssm:GetParameter", resource=open_one)])
    allowed = invoke(aws, "reads", {"name": "/open"}).payload
    refused = invoke(aws, "reads", {"name": "/closed"}).payload
    assert allowed["Parameter"]["Value"] == "here"
    assert refused["__type"].endswith("AccessDeniedException")
    assert "assumed-role/reads-role/reads" in (refused.get("message") or refused["Message"])


def test_a_role_that_does_not_trust_lambda_runs_nothing(aws: ServedAws) -> None:
    arn = role(aws, "of-another-service", LOGS, service="ec2")
    function(aws, "distrusted", "def handler(event, context): pass", Role=arn)
    answer = invoke(aws, "distrusted")
    assert answer.error == "Unhandled"
    assert "cannot be assumed by Lambda" in answer.payload["errorMessage"]


def log_lines(aws: ServedAws, group: str) -> list[str]:
    return [
        e["message"] for e in aws.client("logs").filter_log_events(logGroupName=group)["events"]
    ]


def test_what_a_function_prints_is_in_its_log_group(aws: ServedAws) -> None:
    function(aws, "prints", "def handler(event, context): print('seen', event['n'])")
    invoke(aws, "prints", {"n": 1})
    invoke(aws, "prints", {"n": 2})
    lines = log_lines(aws, "/aws/lambda/prints")
    assert [line for line in lines if line.startswith("seen")] == ["seen 1", "seen 2"]
    kinds = [line.split(" ", 1)[0] for line in lines]
    assert kinds == [
        "INIT_START",
        "START",
        "seen",
        "END",
        "REPORT",
        "START",
        "seen",
        "END",
        "REPORT",
    ]
    streams = aws.client("logs").describe_log_streams(logGroupName="/aws/lambda/prints")
    assert len(streams["logStreams"]) == 1, "one stream for one process"


def test_json_logs_go_to_the_group_that_was_asked_for(aws: ServedAws) -> None:
    code = """
        import logging
        def handler(event, context): logging.getLogger().info("recorded")
    """
    aws.client("logs").create_log_group(logGroupName="/own/group")
    settings = {"LogGroup": "/own/group", "LogFormat": "JSON", "ApplicationLogLevel": "INFO"}
    function(aws, "json", code, LoggingConfig=settings)
    invoke(aws, "json")
    lines = [json.loads(line) for line in log_lines(aws, "/own/group")]
    kinds = [line.get("type") or line.get("message") for line in lines]
    assert kinds == ["platform.initStart", "platform.start", "recorded", "platform.report"]
    assert lines[-1]["record"]["status"] == "success"


def test_a_role_without_permission_to_log_leaves_no_log(aws: ServedAws) -> None:
    function(aws, "mute", "def handler(event, context): print('unheard')", allowed=[])
    assert "unheard" in invoke(aws, "mute").log
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/mute")
    assert groups["logGroups"] == []


def test_an_asynchronous_failure_goes_to_its_destination(aws: ServedAws) -> None:
    url, arn = queue(aws, "failed-runs")
    function(aws, "asynchronous", "def handler(event, context): raise OSError('gone')")
    client = aws.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName="asynchronous",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    client.invoke(FunctionName="asynchronous", InvocationType="Event", Payload='{"n": 1}')
    told = json.loads(message(aws, url)["Body"])
    assert told["requestPayload"] == {"n": 1}
    assert told["responsePayload"]["errorType"] == "OSError"


def test_errors_are_counted_however_a_function_was_invoked(aws: ServedAws) -> None:
    function(aws, "counted", "def handler(event, context): raise OSError('gone')")
    client = aws.client("lambda")
    client.put_function_event_invoke_config(FunctionName="counted", MaximumRetryAttempts=0)
    client.invoke(FunctionName="counted", InvocationType="Event", Payload="{}")
    invoke(aws, "counted")
    eventually(lambda: _sum(aws, "Errors", "counted") == 2)
    assert _sum(aws, "Invocations", "counted") == 2


def _sum(aws: ServedAws, metric: str, name: str) -> float:
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=0,
        EndTime=4102444800,
        Period=60,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in found["Datapoints"]))


SLOW = """
import os, time
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return os.environ["AWS_LAMBDA_RUNTIME_API"]
"""


def test_nobody_answers_in_a_functions_place(aws: ServedAws) -> None:
    """Any process, and any page in a browser, can reach the port at which its runtime asks."""
    function(aws, "slow", SLOW)
    told = invoke(aws, "slow").payload
    port = f"http://{told.partition('/')[0]}"
    api = f"{port}/2018-06-01/runtime"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answered = pool.submit(invoke, aws, "slow", {"seconds": 1})
        time.sleep(0.3)
        page = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
        for headers in ({}, page, {"Sec-Fetch-Site": "cross-site"}):
            for address in (api, f"{port}/guessed/2018-06-01/runtime"):
                forged = ask(f"{address}/invocation/x/response", "POST", headers, '"forged"')
                assert forged.status == 403
            assert ask(f"{api}/invocation/next", "GET", headers).status == 403
        known = f"http://{told}/2018-06-01/runtime/invocation/x/response"
        for headers in (page, {"Host": "evil.example"}):
            assert ask(known, "POST", headers, '"forged"').status == 403
        with socket.create_connection(told.partition("/")[0].split(":"), 5) as garbage:
            garbage.sendall(b"\x00not HTTP\r\n\r\n")
        assert answered.result().payload == told
    assert invoke(aws, "slow").payload == told


def test_each_of_several_parameters_has_to_be_allowed(aws: ServedAws) -> None:
    for name in ("/first", "/second", "/third"):
        aws.client("ssm").put_parameter(Name=name, Type="String", Value="here")
    allowed = [
        statement(
            "ssm:GetParameters", resource=f"arn:aws:ssm:{aws.session.region_name}:*:parameter/{one}"
        )
        for one in ("first", "second")
    ]
    code = WITNESS.read_text() + READER.replace(
        '"AmazonSSM.GetParameter", {"Name": event["name"]}',
        '"AmazonSSM.GetParameters", {"Names": event["names"]}',
    )
    function(aws, "reads-several", code, allowed=allowed)
    both = invoke(aws, "reads-several", {"names": ["/first", "/second"]}).payload
    assert [one["Name"] for one in both["Parameters"]] == ["/first", "/second"]
    for names in (["/first", "/third"], ["/third", "/first"], ["/third"]):
        refused = invoke(aws, "reads-several", {"names": names}).payload
        assert refused["__type"].endswith("AccessDeniedException")
