# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""A MiniStack with this project's runtime and event path, in a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import boto3
import urllib3
from botocore.client import BaseClient

from local.aws.credentials import Credentials

ACCOUNT = "000000000000"
REGION = "eu-west-1"
PATIENCE = 60.0  # of a machine that does much else besides
# For these tests alone: an event of aws.sagemaker, which no client can send on AWS either.
EMIT = "/_tests/emit"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class ServedAws:
    endpoint: str
    process: "subprocess.Popen[bytes]"
    session: boto3.Session
    clients: dict[str, BaseClient] = field(default_factory=dict)

    def client(self, service: str) -> BaseClient:
        if service not in self.clients:
            self.clients[service] = self.session.client(service, endpoint_url=self.endpoint)
        return self.clients[service]

    def acting_as(self, credentials: Mapping[str, str], service: str) -> BaseClient:
        """A client of someone else, by what sts gave them."""
        return self.session.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    def emit(self, detail: Mapping[str, Any], source: str = "aws.sagemaker") -> None:
        body = json.dumps({"source": source, "detail": detail})
        answer = urllib3.request("POST", self.endpoint + EMIT, body=body, timeout=10)
        assert answer.status == 204


@contextlib.contextmanager
def served_aws() -> Iterator[ServedAws]:
    port = _free_port()
    root = Credentials.fresh(f"http://127.0.0.1:{port}", REGION)
    environment = {
        "AWS_ACCESS_KEY_ID": root.access_key,
        "AWS_SECRET_ACCESS_KEY": root.secret_key,
        "PATH": os.environ["PATH"],
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
        # Nothing of the host may reach a function: this is what a test looks for there.
        "HOST_SECRET": "of-the-host",
    }
    command = [sys.executable, "-m", "tests.local.served_aws"]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state,
        subprocess.Popen(command, env={**environment, "STATE_DIR": state}) as process,
    ):
        try:
            _wait_until_ready(root.endpoint, process)
            session = boto3.Session(root.access_key, root.secret_key, region_name=REGION)
            aws = ServedAws(root.endpoint, process, session)
            yield aws
            for client in aws.clients.values():
                client.close()
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", f"{endpoint}/_ministack/health", timeout=5, retries=False)
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("the local AWS did not start")


def _serve() -> None:
    from ministack import app  # noqa: PLC0415 - only the server's process has it

    from local.aws import event_path, gate  # noqa: PLC0415 - the same
    from local.door import Door  # noqa: PLC0415 - the same

    event_path.install()
    keys = gate.Keys(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    vars(app)["app"] = gate.Gate(app.app, Door(int(os.environ["GATEWAY_PORT"])), keys, time.time)
    _serve_emissions(app)
    sys.argv = sys.argv[:1]
    app.main()


def _serve_emissions(app: ModuleType) -> None:
    from ministack.core.responses import (  # noqa: PLC0415 - only the server's process has it
        _request_account_id,
        _request_region,
    )
    from ministack.services import eventbridge  # noqa: PLC0415 - the same

    original = app.app

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != EMIT:
            await original(scope, receive, send)
            return
        asked = json.loads((await receive())["body"])
        _request_account_id.set(ACCOUNT)
        _request_region.set(REGION)
        entry = {
            "Source": asked["source"],
            "DetailType": "SageMaker Training Job State Change",
            "Detail": json.dumps(asked["detail"]),
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    vars(app)["app"] = application


if __name__ == "__main__":
    _serve()
