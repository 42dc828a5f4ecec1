"""What the callbacks cost a training: time per step, and steps that a kill takes.

Kill to first resumed step, stage by stage, is in `resumption`; what a save costs, in `stalls`.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from bench.processes import SubjectError
from bench.progress import Progress
from bench.report import Report, milliseconds
from local.stack import REPOSITORY
from local.wandb_server import LocalWandb

SCRIPT = REPOSITORY / "bench" / "subjects" / "training_steps.py"
BARE, PLAIN, OURS = "bare", "wandb", "ours"
SAYS = {BARE: "no logger, no checkpoints", PLAIN: 'WandbLogger(log_model="all")', OURS: "ours"}
INTERVALS = (5, 25, 100)
QUICK = 1
_SETTLED = 5  # steps at the beginning that pay for first times
_STEP_SECONDS = 0.02
_AT_STEP = re.compile(r"at step (\d+)\n")
_COMMITTED = re.compile(r"of step (\d+) is committed")


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of each step: wall, the process's own CPU, wall inside callbacks, and the logger.

    `peaks` are the megabytes by which the most memory grew in it.
    """

    walls: Sequence[float]
    cpus: Sequence[float]
    callbacks: Sequence[float]
    logger: Sequence[float]
    peaks: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bench:
    server: LocalWandb
    folder: Path
    progress: Progress

    def steps(self, mode: str, *, megabytes: int, steps: int, every: float, by: str) -> Timed:
        """Time the steps of one training in a fresh process; it saves every so many steps or s."""
        n_steps, seconds = (every, 0) if by == "steps" else (0, every)
        numbers = (megabytes, steps, n_steps, seconds, 0)
        with self._started(mode, *numbers) as process:
            output, _ = process.communicate()
        told = [line for line in output.splitlines() if line.startswith("bench ")]
        if not told:
            raise SubjectError(f"{SCRIPT.name} {mode} ended with {process.returncode}:\n{output}")
        times = json.loads(told[0].removeprefix("bench "))
        return Timed(**{name: _between(moments) for name, moments in times.items()})

    def lost(self, every_n_steps: int) -> tuple[int, int]:
        """Kill one training at no chosen moment; gives the steps made, and those not committed."""
        with self._started(OURS, 1, 100_000, every_n_steps, 0, _STEP_SECONDS) as process:
            output = _until_committed(process)
            patience = time.monotonic() + random.uniform(2, 4)  # noqa: S311  # no secret
            while time.monotonic() < patience:
                output += _line(process)
            os.killpg(process.pid, signal.SIGKILL)
            output += process.communicate()[0]
        made = max(int(step) for step in _AT_STEP.findall(output))
        return made, made - max(int(step) for step in _COMMITTED.findall(output))

    @contextmanager
    def _started(self, mode: str, *numbers: float) -> Iterator["subprocess.Popen[str]"]:
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as place:
            command = [sys.executable, str(SCRIPT), mode, *(f"{one:g}" for one in numbers)]
            with subprocess.Popen(
                command,
                cwd=place,
                env=self._environment(Path(place)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process:
                try:
                    yield process
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)

    def _environment(self, place: Path) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "training"),
            "HOME": str(place),
            **self.server.environment(place / "wandb"),
        }


def run(progress: Progress, repetitions: int) -> Iterator[Report]:
    """Give the two tables; one repetition is the quick look."""
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=home) as folder,
        LocalWandb.start(Path(folder) / "server") as server,
    ):
        bench = Bench(server, Path(folder), progress)
        yield _step_cost(bench, repetitions)
        yield _lost_steps(bench, repetitions)


def _step_cost(bench: Bench, repetitions: int) -> Report:
    interval, steps = (5, 500) if repetitions == QUICK else (30, 2000)
    taken: dict[str, list[Timed]] = {mode: [] for mode in SAYS}
    for _ in bench.progress.through("time per step", range(repetitions)):
        for mode in SAYS:
            timed = bench.steps(mode, megabytes=1, steps=steps, every=interval, by="seconds")
            taken[mode].append(timed)
    return Report(
        f"Time per step, a checkpoint of 1 MB each {interval} s",
        (
            "training",
            "median ms",
            "mean ms",
            "CPU ms",
            "in callbacks",
            "of a step",
            "in the logger",
        ),
        [
            (
                SAYS[mode],
                milliseconds(median(one.walls) for one in timed),
                milliseconds(mean(one.walls) for one in timed),
                milliseconds(mean(one.cpus) for one in timed),
                f"{median(mean(one.callbacks) for one in timed) * 1000:.3f} ms",
                f"{median(sum(one.callbacks) / sum(one.walls) for one in timed):.2%}",
                f"{median(mean(one.logger) for one in timed) * 1000:.3f} ms",
            )
            for mode, timed in taken.items()
        ],
        (
            f"{repetitions} trainings a row, by turns, {steps} steps each; medians of them.",
            "Means hold the checkpoints' stalls; CPU is the process's own, uploads included.",
            "Callbacks: all that is done within them, saves included. Logger: a row each 10 steps.",
            "Of all figures these are the ones that other work on the machine disturbs least.",
            "Ours: seeds, loss watch and checkpoints, all at once.",
        ),
    )


def _lost_steps(bench: Bench, repetitions: int) -> Report:
    rows = []
    for interval in bench.progress.through("steps that a kill takes", INTERVALS):
        lost = [bench.lost(interval)[1] for _ in range(repetitions)]
        rows.append((f"{interval}", f"{median(lost):g}", f"{max(lost)}"))
    return Report(
        f"Steps that a kill -9 takes, at {_STEP_SECONDS * 1000:.0f} ms a step",
        ("checkpoint every n steps", "lost steps", "most"),
        rows,
        (
            f"Medians of {repetitions} kills, each at a random moment.",
            "About half the interval, and the steps made while a checkpoint is committed.",
        ),
    )


def _until_committed(process: "subprocess.Popen[str]") -> str:
    output = ""
    while not _COMMITTED.search(output):
        output += _line(process)
    return output


def _line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SubjectError(f"{SCRIPT.name} ended by itself")
    return line


def _between(moments: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)][_SETTLED:]
