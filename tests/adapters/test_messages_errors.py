"""What was not taken is tried again later: the adapters against a server that fails them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.in_memory import ACCOUNT, REGION
from resilience.adapters.messages import CheckQueue, DeadLetterQueue, OneShotSchedules, Topic
from resilience.errors import Retry
from tests.adapters.answering import Answering, Reply, answering, aws_error, reply_json

QUEUE_URL = "https://sqs.invalid/queue"
_DENIED_AS_XML = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code>"
    b"<Message>secret words</Message></Error></ErrorResponse>"
)


@dataclass(frozen=True)
class Services:
    """Scheduler, SNS and SQS behind one server; their clients try once, and not long."""

    server: Answering
    clients: dict[str, Any]


def _clients(url: str) -> dict[str, Any]:
    config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
    session = boto3.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
    )
    return {
        service: session.client(service, endpoint_url=url, config=config)
        for service in ("scheduler", "sns", "sqs")
    }


@pytest.fixture(scope="module")
def the_services() -> Iterator[Services]:
    with answering(Reply()) as server:
        services = Services(server, _clients(server.url))
        yield services
        for client in services.clients.values():
            client.close()


@pytest.fixture
def services(the_services: Services) -> Iterator[Services]:
    yield the_services
    the_services.server.reply(Reply())


def schedules(scheduler: Any) -> OneShotSchedules:  # noqa: ANN401 — boto3 has no types
    return OneShotSchedules(
        scheduler,
        group="waits",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/wait",
        queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:training-ended",
        account=ACCOUNT,
        region=REGION,
        now=lambda: 1_769_826_600,
    )


CALLS: dict[str, Callable[[dict[str, Any]], object]] = {
    "SendMessage": lambda at: DeadLetterQueue(at["sqs"], QUEUE_URL).quarantine("body", "reason"),
    "SendMessageBatch": lambda at: CheckQueue(at["sqs"], QUEUE_URL, ACCOUNT, REGION).ask_to_check(
        ["night-1"]
    ),
    "Publish": lambda at: Topic(at["sns"], f"arn:aws:sns:{REGION}:{ACCOUNT}:t").notify("a", "b"),
    "CreateSchedule": lambda at: schedules(at["scheduler"]).schedule("night-1", 1, 1_769_828_400),
    "CreateSchedule, a reminder": lambda at: schedules(at["scheduler"]).remind(
        "night-1", "no_checkpoint", 1_769_828_400
    ),
    "GetSchedule": lambda at: schedules(at["scheduler"]).is_reminder_set(
        "night-1", "no_checkpoint"
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(aws_error("AccessDeniedException", "secret words"), id="denied, as JSON"),
        pytest.param(Reply(403, _DENIED_AS_XML), id="denied, as XML"),
        pytest.param(aws_error("InternalError", "secret words", 500), id="500"),
        pytest.param(Reply(silent=True), id="silent"),
        pytest.param(Reply(cut=True), id="cut"),
    ],
)
def test_what_was_not_taken_is_tried_again_later(
    reply: Reply, call: str, services: Services
) -> None:
    services.server.reply(reply)
    with pytest.raises(Retry) as retry:
        CALLS[call](services.clients)
    assert "secret" not in str(retry.value)


@pytest.mark.parametrize("call", CALLS)
def test_nobody_listening_means_again_later(call: str) -> None:
    with answering(Reply()) as server:
        clients = _clients(server.url)
    with pytest.raises(Retry):
        CALLS[call](clients)
    for client in clients.values():
        client.close()


def test_a_batch_of_which_one_message_was_refused_is_tried_again(services: Services) -> None:
    refused = {"Id": "0", "SenderFault": False, "Code": "InternalError"}
    services.server.reply(reply_json(200, {"Successful": [], "Failed": [refused]}))
    with pytest.raises(Retry):
        CALLS["SendMessageBatch"](services.clients)


@pytest.mark.parametrize("call", ["CreateSchedule", "CreateSchedule, a reminder"])
def test_a_schedule_that_stands_is_as_good_as_one_that_was_made(
    call: str, services: Services
) -> None:
    services.server.reply(aws_error("ConflictException", "exists", 409))
    before = len(services.server.asked)
    CALLS[call](services.clients)
    assert len(services.server.asked) == before + 1


def test_a_reminder_that_is_not_there_is_an_answer(services: Services) -> None:
    services.server.reply(aws_error("ResourceNotFoundException", "gone", 404))
    assert CALLS["GetSchedule"](services.clients) is False
