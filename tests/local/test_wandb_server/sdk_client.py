"""The real SDK as a client of the server, each script a process of its own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.wandb_server import LocalWandb

MARK = "answer: "
PRELUDE = f"""
import json, os, sys
import wandb
given = json.loads(sys.argv[1])
def answer(value):
    print({MARK!r} + json.dumps(value), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a client's process ended, and what it had to say."""

    answers: list[Any]
    exit_code: int
    stderr: str


@dataclass(frozen=True)
class Client:
    """Scripts on the real SDK; they see `given`, and `answer(value)` hands a value back."""

    server: LocalWandb
    directory: Path

    def start(self, *scripts: str, **given: object) -> subprocess.Popen[str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                "".join(map(textwrap.dedent, [PRELUDE, *scripts])),
                json.dumps(given),
            ],
            env=inherited | self.server.environment(self.directory),
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *scripts: str, **given: object) -> Ended:
        with self.start(*scripts, **given) as process:
            stdout, stderr = process.communicate(timeout=60)
        lines = [line for line in stdout.splitlines() if line.startswith(MARK)]
        answers = [json.loads(line.removeprefix(MARK)) for line in lines]
        return Ended(answers, process.returncode, stderr)

    def ask(self, *scripts: str, **given: object) -> Any:  # noqa: ANN401  (any JSON)
        """The answer of a script that has to succeed."""
        ended = self.run(*scripts, **given)
        assert ended.exit_code == 0, ended.stderr
        assert ended.answers, ended.stderr
        return ended.answers[-1]


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the script and its wandb-core together, as when a machine goes away."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def exchange(
    method: str, address: str, body: bytes | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """One plain HTTP request: status, text and headers of its answer."""
    parts = urlsplit(address)
    with closing(HTTPConnection(parts.netloc, timeout=10)) as http:
        target = address.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
        http.request(method, target, body, headers)
        response = http.getresponse()
        return response.status, response.read().decode(), dict(response.headers)
