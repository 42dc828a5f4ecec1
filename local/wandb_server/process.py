"""The server as a child process."""

import json
import select
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from local.wandb_server.json_value import Json

REPOSITORY = Path(__file__).parent.parent.parent
START_TIMEOUT = 30.0
END_TIMEOUT = 10.0
ANSWER_TIMEOUT = 60.0


class LocalWandbError(RuntimeError):
    """The server did not start, or refused; the message says why."""


class RequestFailedError(LocalWandbError):
    """The server answered a request with an error."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class LocalWandb:
    """A running server; `url` goes into WANDB_BASE_URL, `api_key` into WANDB_API_KEY."""

    url: str
    api_key: str = field(repr=False)
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, data: Path, *options: str, port: int = 0) -> Self:
        """Start the server on `data` and wait until it is ready.

        `options` are further ones of its command line, such as "--crashed-after", "1".
        """
        command = [sys.executable, "-m", "local.wandb_server", "--data", str(data.resolve())]
        process = subprocess.Popen(
            [*command, "--port", str(port), "--die-with-parent", *options],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        url = _wait_until_ready(process)
        key_file = (
            options[options.index("--api-key-file") + 1] if "--api-key-file" in options else None
        )
        key = Path(key_file) if key_file else data / "api-key"
        return cls(url, key.read_text().strip(), process)

    def environment(self, directory: Path) -> dict[str, str]:
        """What a process needs to use this server by the SDK, its files under `directory`."""
        places = ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_SILENT": "true",
            **{f"WANDB_{place}": str(directory / place.lower()) for place in places},
        }

    def fault(self, kind: str, **settings: object) -> None:
        """Have a fault happen; the settings are those of `faults.Fault`, and `seconds`."""
        self._call("POST", "/_local/faults", {"kind": kind, **settings})

    def clear_faults(self) -> None:
        self._call("DELETE", "/_local/faults")

    def requests(self) -> dict[str, int]:
        """How many requests have come, by operation."""
        counts: dict[str, int] = self._call("GET", "/_local/requests")
        return counts

    def graphql(self, query: str, **variables: object) -> dict[str, Json]:
        """One GraphQL request, past the SDK; the `data` of its answer."""
        answer = self._call("POST", "/graphql", {"query": query, "variables": variables})
        data: dict[str, Json] = answer["data"]
        return data

    def stop(self) -> int:
        """End the server; its exit code, which is 0."""
        self.process.terminate()
        code = self.process.wait(END_TIMEOUT)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _call(self, method: str, path: str, body: Json = None) -> Json:
        credentials = b64encode(f"api:{self.api_key}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_TIMEOUT)) as http:
            http.request(method, path, None if body is None else json.dumps(body), headers)
            response = http.getresponse()
            text = response.read().decode()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise RequestFailedError(response.status, dict(response.headers), text)
        return json.loads(text) if text else None


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None or not select.select([process.stdout], [], [], START_TIMEOUT)[0]:
        return ""
    return process.stdout.readline()


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    word, _, url = _first_line(process).strip().partition(" ")
    if word != "ready":
        process.kill()
        process.communicate()
        raise LocalWandbError("the local W&B server did not start; its reason is on stderr")
    return url
