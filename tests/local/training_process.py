"""A training as a process of its own, as a person or SageMaker would start it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRAIN = Path(__file__).parents[2] / "training" / "train.py"
PATIENCE = 120.0


@dataclass(frozen=True)
class Training:
    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def until_said(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.log:
            assert self.process.poll() is None, f"ended before it said {text!r}:\n{self.log}"
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.log}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Break it off as a machine does that is gone: the SDK's helper processes as well."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def end(self) -> int:
        return self.process.wait(PATIENCE)


def own_environment() -> dict[str, str]:
    """Without what a person has set for a server of theirs."""
    theirs = ("WANDB", "AWS")
    return {key: value for key, value in os.environ.items() if not key.startswith(theirs)}


@contextmanager
def training(
    folder: Path, name: str, environment: Mapping[str, str], *options: str
) -> Iterator[Training]:
    """Start `train.py` in `folder`; whatever happens, it has ended after the block."""
    log_file = folder / f"{name}.log"
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            [sys.executable, str(TRAIN), "--epochs", "3", *options],
            cwd=folder,
            env={**own_environment(), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        started = Training(process, log_file)
        try:
            yield started
        finally:
            if process.poll() is None:
                started.kill()
