"""Measured processes: started like a Lambda's, asked line by line."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.built import package
from local.stack import REPOSITORY

_MARK = "bench "
SITE_PACKAGES = (
    Path(sys.executable).parent.parent
    / "lib"
    / (f"python{sys.version_info.major}.{sys.version_info.minor}/site-packages")
)


class SubjectError(RuntimeError):
    """The measured process ended instead of answering; its own words are on stderr."""


@dataclass(slots=True)
class Subject:
    """`spawned` is a moment of CLOCK_MONOTONIC; `logged` counts bytes that are no answers."""

    process: "subprocess.Popen[str]"
    spawned: float
    logged: int = 0

    def ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        if self.process.stdin is None:
            raise SubjectError("it was started without a pipe")
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Read on to the next answer."""
        if self.process.stdout is None:
            raise SubjectError("it was started without a pipe")
        for line in self.process.stdout:
            if line.startswith(_MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(_MARK))
                return answer
            self.logged += len(line.encode())
        raise SubjectError(f"{self.process.args!r} ended with {self.process.wait()}")


@contextmanager
def subject(
    name: str, environment: Mapping[str, str], *arguments: str, packages: Path | None = None
) -> Iterator[Subject]:
    """Start one of `subjects/` on the standard library and `packages`, or the built package.

    -S as in the local Lambda; without it this interpreter's own packages would be there too.
    """
    spawned = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-S", "-m", f"bench.subjects.{name}", *arguments],
        cwd=REPOSITORY,
        env={**environment, "PYTHONPATH": str(packages or package())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who then end it
    ) as process:
        try:
            yield Subject(process, spawned)
        finally:
            # It may still have much to put away; nothing of that is measured.
            process.kill()
