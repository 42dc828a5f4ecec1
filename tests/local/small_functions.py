"""Functions of a few lines, made for one test each."""

import base64
import io
import json
import textwrap
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.client import BaseClient

from tests.local.served_aws import PATIENCE, ServedAws

T = TypeVar("T")
Policy = list[dict[str, Any]]
LOGS: Policy = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
QUEUES: Policy = [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]


def statement(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


@dataclass(frozen=True)
class Answer:
    payload: Any
    error: str | None
    log: str


def role(
    aws: ServedAws,
    name: str,
    allowed: Policy,
    *,
    service: str = "lambda",
    principal: Mapping[str, str] | None = None,
) -> str:
    """A role that the service, or whom else the principal names, may assume; its ARN."""
    iam = aws.client("iam")
    trusted = principal or {"Service": f"{service}.amazonaws.com"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": trusted}
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    if allowed:
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=document)
    return str(made["Role"]["Arn"])


def client_of(
    aws: ServedAws, name: str, allowed: Policy, service: str
) -> AbstractContextManager[BaseClient]:
    """The service's client, closed after the block, of someone with these permissions."""
    arn = role(aws, name, allowed, principal={"AWS": "*"})
    session = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")
    return closing(aws.acting_as(session["Credentials"], service))


def function(
    aws: ServedAws, name: str, code: str, *, allowed: Policy = LOGS, **settings: object
) -> str:
    """A function of this one module, under a role of its own; its ARN."""
    made = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=settings.pop("Role", None) or role(aws, f"{name}-role", allowed),
        Handler=settings.pop("Handler", "module.handler"),
        Code={"ZipFile": package(code)},
        **settings,
    )
    return str(made["FunctionArn"])


def package(code: str, member: str = "module.py") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(member, textwrap.dedent(code))
    return content.getvalue()


def invoke(aws: ServedAws, name: str, event: Mapping[str, Any] | None = None) -> Answer:
    answer = aws.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event or {}), LogType="Tail"
    )
    with answer["Payload"] as body:
        payload = json.loads(body.read())
    log = base64.b64decode(answer.get("LogResult", "")).decode()
    return Answer(payload, answer.get("FunctionError"), log)


def logged(aws: ServedAws, name: str) -> list[str]:
    """What the function has in its log, once there is something."""
    logs, group = aws.client("logs"), f"/aws/lambda/{name}"

    def lines() -> list[str]:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        return [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]]

    return list(eventually(lines))


def queue(aws: ServedAws, name: str, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    client = aws.client("sqs")
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, found["Attributes"]["QueueArn"]


def message(aws: ServedAws, url: str) -> dict[str, Any]:
    """The next message of the queue, waited for."""
    wanted = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"]}

    def received() -> list[dict[str, Any]]:
        answer = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10, **wanted)
        return list(answer.get("Messages", ()))

    return eventually(received)[0]


def depth(aws: ServedAws, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(count) for count in found["Attributes"].values())


def attributes(letter: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}


def eventually(found: Callable[[], T], seconds: float = PATIENCE) -> T:
    """What the question comes to give, once it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")
