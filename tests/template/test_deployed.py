"""The template on a running AWS that enforces IAM, used with the rights of its functions."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deploy import Access, Deployed, deploy
from resilience.adapters.parameters import SsmSwitches
from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import Mode
from tests.local.served_aws import ACCOUNT, ServedAws, served_aws
from tests.template.stack import EVERYTHING, ROOT

STACK = "resilience"
SECRET = "resilience/wandb-api-key"
# Gives away what the platform gave it, so that a test can act with the function's own rights.
TELLTALE = """
import os
def handler(event, context):
    return dict(os.environ)
"""


@dataclass(frozen=True)
class Function:
    """The deployed function, seen from inside: its environment and its rights."""

    aws: ServedAws
    environment: dict[str, str]

    def client(self, service: str) -> Any:  # noqa: ANN401 — boto3 has no types
        env = self.environment
        credentials = {
            "AccessKeyId": env["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": env["AWS_SESSION_TOKEN"],
        }
        return self.aws.acting_as(credentials, service)


@pytest.fixture(scope="module")
def aws() -> Iterator[ServedAws]:
    with served_aws() as served:
        yield served


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("code")
    for name in ("on_training_ended", "sweep"):
        (made / f"{name}.py").write_text(TELLTALE)
    return made


def deployed(aws: ServedAws, code: Path, name: str = STACK, **parameters: str) -> Deployed:
    return deploy(
        Access(aws.session, aws.endpoint),
        template=ROOT / "template.yaml",
        code=code,
        parameters={
            "AllowedEntityProjects": "my-team/*",
            "TrainingRoleArns": f"arn:aws:iam::{ACCOUNT}:role/training",
            **parameters,
        },
        stack_name=name,
    )


@pytest.fixture(scope="module")
def resources(aws: ServedAws, code: Path) -> dict[str, str]:
    aws.client("secretsmanager").create_secret(Name=SECRET, SecretString="a key")
    deployed(aws, code)
    found = aws.client("cloudformation").describe_stack_resources(StackName=STACK)
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found["StackResources"]}


def invoked(aws: ServedAws, function: str) -> Function:
    answer = aws.client("lambda").invoke(FunctionName=function)
    return Function(aws, json.loads(answer["Payload"].read()))


@pytest.fixture(scope="module")
def relauncher(aws: ServedAws, resources: dict[str, str]) -> Function:
    return invoked(aws, resources["OnTrainingEnded"])


@pytest.fixture(scope="module")
def sweep(aws: ServedAws, resources: dict[str, str]) -> Function:
    return invoked(aws, resources["Sweep"])


def schedule(function: Function, group: str) -> dict[str, Any]:
    env = function.environment
    made: dict[str, Any] = function.client("scheduler").create_schedule(
        Name="a-wait",
        GroupName=group,
        ScheduleExpression="at(2099-01-31T03:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={
            "Arn": env["RESILIENCE_QUEUE_ARN"],
            "RoleArn": env["RESILIENCE_SCHEDULE_ROLE_ARN"],
            "Input": "{}",
        },
    )
    return made


def test_the_function_reads_the_key(relauncher: Function) -> None:
    name = relauncher.environment["WANDB_SECRET_NAME"]
    key = relauncher.client("secretsmanager").get_secret_value(SecretId=name)
    assert key["SecretString"] == "a key"


@pytest.fixture
def switch(aws: ServedAws, relauncher: Function) -> Iterator[str]:
    """The name of the live switch, which no deploy has created."""
    name = relauncher.environment["RESILIENCE_MODE_PARAMETER"]
    ssm = aws.client("ssm")
    assert not ssm.describe_parameters()["Parameters"]
    yield name
    with contextlib.suppress(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=name)


def switches_of(function: Function) -> SsmSwitches:
    own = function.environment
    return SsmSwitches(
        function.client("ssm"),
        mode=own["RESILIENCE_MODE_PARAMETER"],
        breaker=own["RESILIENCE_BREAKER_PARAMETER"],
        ceiling=Mode(own["RESILIENCE_MODE"]),
    )


def mode_seen_by(function: Function) -> Mode:
    return switches_of(function).read().mode


def test_until_somebody_sets_the_switch_the_stacks_mode_holds(
    relauncher: Function, sweep: Function, switch: str
) -> None:
    assert switch == "/resilience/resilience/mode"
    assert [mode_seen_by(one) for one in (relauncher, sweep)] == [Mode.ACT] * 2


def test_off_is_seen_at_once_and_no_deploy_turns_it_back(
    aws: ServedAws, code: Path, relauncher: Function, switch: str
) -> None:
    aws.client("ssm").put_parameter(Name=switch, Value="off", Type="String", Overwrite=True)
    assert mode_seen_by(relauncher) is Mode.OFF
    for change in ({"MaxJobs": "9"}, {"Mode": "observe"}, {"Mode": "act"}):
        assert deployed(aws, code, **change).changed
        assert mode_seen_by(relauncher) is Mode.OFF


@pytest.fixture
def breaker(aws: ServedAws, sweep: Function) -> Iterator[str]:
    """The name of the breaker's parameter, which no deploy has created."""
    name = sweep.environment["RESILIENCE_BREAKER_PARAMETER"]
    yield name
    ssm = aws.client("ssm")
    with contextlib.suppress(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=name)


@pytest.mark.usefixtures("breaker")
def test_the_sweep_sets_the_breaker_and_the_function_that_relaunches_reads_it(
    relauncher: Function, sweep: Function
) -> None:
    opened = Breaker(state=Circuit.OPEN, since=1_800_000_000, cause="infrastructure")
    assert switches_of(sweep).write(opened, instead_of=Breaker())
    found = switches_of(relauncher).read().breaker
    assert (found.state, found.cause) == (Circuit.OPEN, "infrastructure")


def test_the_sweep_cannot_turn_the_mode(sweep: Function) -> None:
    name = sweep.environment["RESILIENCE_MODE_PARAMETER"]
    with pytest.raises(ClientError, match="AccessDenied"):
        sweep.client("ssm").put_parameter(Name=name, Value="act", Type="String", Overwrite=True)


def test_the_function_schedules_a_wait_in_its_group(relauncher: Function) -> None:
    group = relauncher.environment["RESILIENCE_SCHEDULE_GROUP"]
    assert group in schedule(relauncher, group)["ScheduleArn"]
    found = relauncher.client("scheduler").get_schedule(Name="a-wait", GroupName=group)
    assert found["ScheduleExpression"] == "at(2099-01-31T03:00:00)"


def test_the_function_schedules_nothing_in_another_group(relauncher: Function) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        schedule(relauncher, "default")


def test_the_function_sets_a_message_aside(relauncher: Function, aws: ServedAws) -> None:
    url = relauncher.environment["RESILIENCE_DEAD_LETTER_URL"]
    reason = {"resilience.reason": {"DataType": "String", "StringValue": "message_malformed"}}
    relauncher.client("sqs").send_message(QueueUrl=url, MessageBody="?", MessageAttributes=reason)
    held = aws.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])
    (message,) = held["Messages"]
    assert message["MessageAttributes"]["resilience.reason"]["StringValue"] == "message_malformed"


def test_the_function_tells_the_topic(relauncher: Function) -> None:
    topic = relauncher.environment["RESILIENCE_TOPIC_ARN"]
    assert relauncher.client("sns").publish(TopicArn=topic, Message="hello")["MessageId"]


def test_the_function_cannot_put_jobs_on_its_own_queue(
    relauncher: Function, resources: dict[str, str]
) -> None:
    url = resources["TrainingEndedQueue"]
    with pytest.raises(ClientError, match="AccessDenied"):
        relauncher.client("sqs").send_message(QueueUrl=url, MessageBody="again")


def test_the_function_cannot_turn_its_own_switch(relauncher: Function) -> None:
    for switch in ("RESILIENCE_MODE_PARAMETER", "RESILIENCE_BREAKER_PARAMETER"):
        name = relauncher.environment[switch]
        with pytest.raises(ClientError, match="AccessDenied"):
            relauncher.client("ssm").put_parameter(Name=name, Value="act", Overwrite=True)


def test_the_sweep_queues_what_it_finds(sweep: Function) -> None:
    env = sweep.environment
    sent = sweep.client("sqs").send_message_batch(
        QueueUrl=env["RESILIENCE_QUEUE_URL"],
        Entries=[{"Id": str(i), "MessageBody": "{}"} for i in range(2)],
    )
    assert len(sent["Successful"]) == 2


def test_the_sweep_cannot_read_the_wandb_key(sweep: Function) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        sweep.client("secretsmanager").get_secret_value(SecretId=SECRET)


def test_subnets_without_security_groups_are_refused_and_not_passed_over(
    aws: ServedAws, code: Path
) -> None:
    with pytest.raises(ClientError, match="SubnetIds needs SecurityGroupIds"):
        deployed(aws, code, "half-a-vpc", SubnetIds="subnet-1a")


def test_every_option_of_the_template_arrives(aws: ServedAws, code: Path) -> None:
    """The deploy reads every resource back, and would name what was dropped."""
    assert deployed(aws, code, "with-everything", **EVERYTHING).changed
