"""The real SDK as a client: scripts, each in a process of its own or in one that is kept warm."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from local.wandb_server import LocalWandb
from local.wandb_server.json_value import Json

ANSWER, DONE = "answer: ", "done: "

# What every script finds: `given`, and `answer(value)` to hand a value back.
PRELUDE = f"""
import json, os, sys
import wandb
def answer(value):
    print({ANSWER!r} + json.dumps(value), flush=True)
"""
ONCE = """
given = json.loads(sys.argv[1])
"""
# Importing wandb and starting wandb-core takes longer than most scripts: one process serves many.
MANY = f"""
import traceback
for line in sys.stdin:
    order = json.loads(line)
    os.chdir(order["directory"])
    failure = None
    try:
        exec(order["script"], {{**globals(), "given": order["given"]}})
    except Exception:
        failure = traceback.format_exc()
    print({DONE!r} + json.dumps(failure), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a client's process ended, and what it had to say."""

    answers: list[Json]
    exit_code: int
    stderr: str


@dataclass(frozen=True)
class Client:
    server: LocalWandb
    directory: Path
    warm: subprocess.Popen[str]

    def start(self, *scripts: str, **given: object) -> subprocess.Popen[str]:
        """A script in a process of its own, which is started and not waited for."""
        program = PRELUDE + ONCE + "".join(map(textwrap.dedent, scripts))
        return _spawn(self.server, self.directory, [program, json.dumps(given)])

    def run(self, *scripts: str, **given: object) -> Ended:
        """A script in a process of its own, to its end."""
        with self.start(*scripts, **given) as process:
            stdout, stderr = process.communicate(timeout=180)
        lines = [line for line in stdout.splitlines() if line.startswith(ANSWER)]
        answers = [json.loads(line.removeprefix(ANSWER)) for line in lines]
        return Ended(answers, process.returncode, stderr)

    def ask(self, *scripts: str, **given: object) -> Json:
        """The last answer of a script that has to succeed, run in the warm process."""
        assert self.warm.stdin is not None
        assert self.warm.stdout is not None
        script = "".join(map(textwrap.dedent, scripts))
        order = {"script": script, "given": given, "directory": str(self.directory)}
        self.warm.stdin.write(json.dumps(order) + "\n")
        self.warm.stdin.flush()
        answer = None
        for line in self.warm.stdout:
            if line.startswith(DONE):
                failure = json.loads(line.removeprefix(DONE))
                assert failure is None, failure
                return answer
            if line.startswith(ANSWER):
                answer = json.loads(line.removeprefix(ANSWER))
        raise AssertionError("the client has ended")


@contextmanager
def keep_warm(server: LocalWandb, directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = _spawn(server, directory, [PRELUDE + MANY])
    try:
        yield process
    finally:
        process.communicate(timeout=90)


def _spawn(server: LocalWandb, directory: Path, program: list[str]) -> subprocess.Popen[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", *program],
        env=inherited | server.environment(directory),
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if len(program) > 1 else None,
        text=True,
        start_new_session=True,
    )


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the script and its wandb-core together, as when a machine goes away."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def wait_until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def exchange(
    method: str, address: str, body: bytes | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """One plain HTTP request: status, text and headers of its answer."""
    parts = urlsplit(address)
    with closing(HTTPConnection(parts.netloc, timeout=60)) as http:
        target = address.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
        http.request(method, target, body, headers)
        response = http.getresponse()
        return response.status, response.read().decode(), dict(response.headers)
