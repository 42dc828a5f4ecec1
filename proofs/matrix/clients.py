"""Real clients whose requests are answered in this process: no socket, no waiting."""

import io
import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.retries import standard
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ProtocolError

from local.in_memory import REGION
from proofs.matrix.faults import NoAnswer
from proofs.matrix.line import Line
from proofs.matrix.resources import Refused
from resilience.wiring import AWS_CALLS

SERVICES = ("sagemaker", "sqs", "sns", "ssm", "secretsmanager", "scheduler")
WANDB = "http://wandb.invalid"
_OK = 200


@dataclass(slots=True)
class Switchboard:
    """Which line the clients speak over: they are made once, and each cell has its own line."""

    line: Line | None = None

    def send(self, operation: str, asked: Mapping[str, Any], call: str) -> Mapping[str, Any] | str:
        if self.line is None:
            raise AssertionError("nobody is on the line")
        return self.line.send(operation, asked, call)


@dataclass(frozen=True, slots=True)
class Clients:
    """All that the entries connect to."""

    aws: Mapping[str, Any]
    wandb: urllib3.PoolManager


def connect(switchboard: Switchboard) -> Clients:
    """Make the clients as the entries do, with their settings, but for the wait between resends."""
    return Clients(
        aws={service: _aws(service, switchboard) for service in SERVICES},
        wandb=_wandb(switchboard),
    )


class Short:
    """A client without HTTP, for where no fault can hit: it brings a world to rest, and is fast."""

    def __init__(self, switchboard: Switchboard, client: Any) -> None:  # noqa: ANN401 — boto3 has no types
        self._switchboard = switchboard
        self._numbers = count()
        self.meta = client.meta

    def __getattr__(self, method: str) -> Callable[..., Mapping[str, Any]]:
        operation = method.title().replace("_", "")
        return partial(self._send, operation)

    def _send(self, operation: str, **asked: object) -> Mapping[str, Any]:
        call = f"short-{id(self)}-{next(self._numbers)}"
        try:
            told = self._switchboard.send(operation, asked, call)
        except Refused as refused:
            error = {"Error": {"Code": refused.code, "Message": refused.text}}
            raise ClientError(error, operation) from None
        if isinstance(told, str):
            raise TypeError("a fault has hit what comes to rest")
        return with_moments(told)


def with_moments(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer as botocore gives it: its times are moments, and no numbers."""
    return {name: _with_moments(name, value) for name, value in answer.items()}


def _with_moments(name: str, value: object) -> object:
    if isinstance(value, list) and name in {"Results", "Parameters"}:
        return [with_moments(one) for one in value]
    if name == "TrainingJob" and isinstance(value, Mapping):
        return with_moments(value)
    if name.endswith(("Time", "ModifiedDate")) and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value


class _AtOnce:
    """No wait before a resend."""

    def delay_amount(self, context: object) -> float:  # noqa: ARG002 — botocore's signature
        return 0


class _Boundless:
    """The clients serve all cells, so the resends of one must not be charged to the next."""

    def acquire(self, capacity_amount: int) -> bool:  # noqa: ARG002 — botocore's signature
        return True

    def release(self, capacity_amount: int) -> None:
        pass


def _aws(service: str, switchboard: Switchboard) -> Any:  # noqa: ANN401 — boto3 has no types
    config = AWS_CALLS.merge(Config(signature_version=UNSIGNED, user_agent="matrix"))
    client = boto3.client(service, region_name=REGION, config=config)
    events, service_id = client.meta.events, client.meta.service_model.service_id.hyphenize()
    attempts = client.meta.config.retries["total_max_attempts"]
    events.unregister(f"needs-retry.{service_id}", unique_id=f"retry-config-{service_id}")
    again = standard.RetryHandler(
        retry_policy=standard.RetryPolicy(
            standard.StandardRetryConditions(max_attempts=attempts),
            _AtOnce(),
        ),
        retry_event_adapter=standard.RetryEventAdapter(),
        retry_quota=standard.RetryQuotaChecker(_Boundless()),
    )
    events.register(f"needs-retry.{service_id}", again.needs_retry)
    protocol = client.meta.service_model.resolved_protocol

    def answer(request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        asked = _asked(request, operation, protocol)
        try:
            told = switchboard.send(operation, asked, _call(request))
        except Refused as refused:
            return _response(request, refused.status, *_refusal(refused, protocol))
        except NoAnswer:
            raise ReadTimeoutError(endpoint_url=request.url) from None
        return _response(request, _OK, _body(told, operation, protocol), {})

    events.register(f"before-send.{service_id}", answer)
    return client


def _call(request: AWSPreparedRequest) -> str:
    """The same for all resends of one call."""
    return _text(request.headers["amz-sdk-invocation-id"])


def _asked(request: AWSPreparedRequest, operation: str, protocol: str) -> dict[str, Any]:
    body = _text(request.body or b"")
    if protocol == "query":
        return dict(parse_qsl(body))
    if operation == "GetSchedule":
        return {"Name": request.url.partition("?")[0].rpartition("/")[2]}
    asked: dict[str, Any] = json.loads(body)
    if operation == "CreateSchedule":
        asked["Name"] = request.url.rpartition("/")[2]
    return asked


def _body(told: Mapping[str, Any] | str, operation: str, protocol: str) -> str:
    if isinstance(told, str):
        return told
    if protocol != "query":
        return json.dumps(told)
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    return (
        f"<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"
    )


def _refusal(refused: Refused, protocol: str) -> tuple[str, dict[str, str]]:
    if protocol == "query":
        error = f"<Code>{refused.code}</Code><Message>{refused.text}</Message>"
        return f"<ErrorResponse><Error>{error}</Error></ErrorResponse>", {}
    body = json.dumps({"__type": refused.code, "message": refused.text})
    return body, {"x-amzn-errortype": refused.code}


class _Raw:
    """A body that has come whole."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body


def _response(
    request: AWSPreparedRequest, status: int, body: str, headers: dict[str, str]
) -> AWSResponse:
    return AWSResponse(request.url, status, headers, _Raw(body.encode()))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _wandb(switchboard: Switchboard) -> urllib3.PoolManager:
    pool = urllib3.PoolManager()
    connection = type("Answered", (_Connection,), {"switchboard": switchboard})
    here = type("Here", (urllib3.HTTPConnectionPool,), {"ConnectionCls": connection})
    pool.pool_classes_by_scheme = {"http": here}
    return pool


class _Connection(HTTPConnection):
    """A connection to W&B that never leaves the process."""

    switchboard: Switchboard

    def connect(self) -> None:
        pass

    def request(  # type: ignore[override]  # all that the controller sends is named here
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], **_: object
    ) -> None:
        if (method, url) != ("POST", "/graphql"):
            raise AssertionError(f"{method} {url}")
        key = b64decode(headers["authorization"].removeprefix("Basic ")).decode()
        self._asked = {"key": key.removeprefix("api:"), **json.loads(body)["variables"]}

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        line = self.switchboard.line
        call = f"wandb-{line.delivery.number if line else None}"
        try:
            told = self.switchboard.send("AskWandb", self._asked, call)
        except Refused as refused:
            return _http(refused.status, json.dumps({"errors": [{"message": refused.text}]}))
        except NoAnswer:
            raise ProtocolError("Connection aborted.") from None
        return _http(_OK, told if isinstance(told, str) else json.dumps(told))


def _http(status: int, body: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(io.BytesIO(body.encode()), status=status, preload_content=False)


__all__ = ["WANDB", "Clients", "Switchboard", "connect"]
