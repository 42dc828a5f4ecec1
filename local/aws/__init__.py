"""AWS on this machine: MiniStack with IAM enforced, and a SageMaker of our own inside it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as SigningCredentials

from local.aws.credentials import Credentials

REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
QUICK = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2})


class LocalAws:
    """A local AWS in a child process, which ends with this one.

    `with LocalAws.start(folder) as aws:` and then `aws.client("sagemaker")`; the clients are the
    root user's. `aws.fault(...)` orders a misfortune, `aws.jobs()` tells what runs.
    """

    def __init__(
        self, process: "subprocess.Popen[str]", data: Path, account: str, notes: Sequence[str] = ()
    ) -> None:
        credentials = Credentials.read(data)
        self.process = process
        self.data = data
        # What it said before it served.
        self.notes = tuple(notes)
        self.account = account
        self.endpoint = credentials.endpoint
        self.access_key = credentials.access_key
        self.secret_key = credentials.secret_key
        self.region = credentials.region
        self._clients: dict[str, Any] = {}

    @classmethod
    def start(cls, data: Path, options: Sequence[str] = (), *, account: str = ACCOUNT) -> Self:
        """Start on a free port and wait until it serves; `options` as on the command line."""
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-m", "local.aws", "--port", "0", "--data", str(data)]
        command += ["--account", account, "--die-with-parent", *options]
        with (data / "aws.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True
            )
        notes = _notes_until_ready(process)
        if notes is None:
            code = process.wait()
            raise RuntimeError(f"the local AWS did not start (exit {code}): see {data}/aws.log")
        return cls(process, data, account, notes)

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes these at run time
        """Return the root user's client for a service, the same one each time."""
        if service not in self._clients:
            self._clients[service] = self.session_client(service, self.access_key, self.secret_key)
        return self._clients[service]

    def session_client(
        self, service: str, access_key: str, secret_key: str, token: str | None = None
    ) -> Any:  # noqa: ANN401 - botocore makes these at run time
        """Make a client of anybody's: a user's keys, or a session's with its token."""
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            config=QUICK,
        )

    def environment(self) -> dict[str, str]:
        """Give what a program needs to reach this AWS as its root user."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def fault(self, kind: str, job: str = "*", **details: object) -> dict[str, Any]:
        """Order a misfortune: see `local/aws/sagemaker/admin.py`."""
        return self._ask("POST", "faults", {"kind": kind, "job": job, **details})

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def jobs(self) -> dict[str, Any]:
        return self._ask("GET", "jobs")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=20)
        signed = self._signed(method, f"/_local/sagemaker/{path}", json.dumps(body or {}))
        try:
            connection.request(method, urlsplit(signed.url).path, signed.data, dict(signed.headers))
            response = connection.getresponse()
            answer: dict[str, Any] = json.load(response)
        finally:
            connection.close()
        if response.status != HTTPStatus.OK:
            raise ValueError(answer["message"])
        return answer

    def _signed(self, method: str, path: str, body: str) -> AWSRequest:
        """A request of the root user's, for a path that no client of AWS knows."""
        request = AWSRequest(method, f"{self.endpoint}{path}", data=body)
        SigV4Auth(
            SigningCredentials(self.access_key, self.secret_key), "local", self.region
        ).add_auth(request)
        return request

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _notes_until_ready(process: "subprocess.Popen[str]") -> list[str] | None:
    """Wait until it serves; None where it ended before."""
    notes: list[str] = []
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for line in process.stdout:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "ready":
            return notes
        notes.append(rest)
    process.stdout.close()
    return None
