"""One server for all tests here, and the real SDK as its client, each script a process of its own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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

    @property
    def answer(self) -> Any:
        assert self.answers, self.stderr
        return self.answers[-1]


@dataclass(frozen=True)
class Client:
    """Scripts on the real SDK; they see `given`, and `answer(value)` hands a value back."""

    server: LocalWandb
    directory: Path

    def start(self, *scripts: str, **given: Any) -> subprocess.Popen[str]:
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

    def run(self, *scripts: str, **given: Any) -> Ended:
        with self.start(*scripts, **given) as process:
            stdout, stderr = process.communicate(timeout=60)
        lines = [line for line in stdout.splitlines() if line.startswith(MARK)]
        answers = [json.loads(line.removeprefix(MARK)) for line in lines]
        return Ended(answers, process.returncode, stderr)

    def ask(self, *scripts: str, **given: Any) -> Any:
        """The answer of a script that has to succeed."""
        ended = self.run(*scripts, **given)
        assert ended.exit_code == 0, ended.stderr
        return ended.answer


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the script and its wandb-core together, as when a machine goes away."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb-server")) as running:
        yield running


@pytest.fixture
def client(server: LocalWandb, tmp_path: Path) -> Iterator[Client]:
    yield Client(server, tmp_path)
    server.clear_faults()


@pytest.fixture
def project() -> str:
    """A project that no other test uses."""
    return f"project-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def kill() -> Callable[[subprocess.Popen[str]], None]:
    return kill_all


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
