"""A training as a process of its own, as a person or SageMaker would start it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRAIN = Path(__file__).parents[2] / "training" / "train.py"
PATIENCE = 240.0  # of a machine that does much else besides
_RESUMED = re.compile(r"resuming from (v\d+) at step (\d+)\n")
_COMMITTED = re.compile(r"checkpoint (v\d+) of step (\d+) is committed")


@dataclass(frozen=True)
class Training:
    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def resumed(self) -> tuple[str, int]:
        """The version that it resumed from, and that one's step, once it has said so."""
        version, step = self._until(_RESUMED)
        return version, int(step)

    @property
    def newest(self) -> tuple[str, int]:
        """The version that it committed last, and that one's step."""
        version, step = _COMMITTED.findall(self.log)[-1]
        return version, int(step)

    def until_said(self, text: str) -> None:
        self._until(re.compile(re.escape(text)))

    def _until(self, said: re.Pattern[str]) -> tuple[str, ...]:
        deadline = time.monotonic() + PATIENCE
        while True:
            ended = self.process.poll() is not None
            if found := said.search(self.log):
                return found.groups()
            assert not ended, f"ended before it said {said.pattern!r}:\n{self.log}"
            assert time.monotonic() < deadline, f"never said {said.pattern!r}:\n{self.log}"
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
    command = [str(TRAIN), "--epochs", "3", *options]
    with running(command, folder / f"{name}.log", environment) as started:
        yield started


@contextmanager
def running(
    arguments: Sequence[str], log_file: Path, environment: Mapping[str, str]
) -> Iterator[Training]:
    """Start Python in the folder of `log_file`; whatever happens, it has ended after the block."""
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=log_file.parent,
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
