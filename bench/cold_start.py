"""Starting the function under awslambdaric, with and without bytecode in its package."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.built import package
from bench.progress import Progress
from bench.report import Report, milliseconds, ratio, whole
from bench.surroundings import CONTROLLER, Function, Surroundings
from local.aws.lambda_runtime import interpreter
from local.aws.lambda_runtime.environment import Environment
from local.aws.lambda_runtime.outcomes import Ended, Invocation
from local.aws.lambda_runtime.processes import Spawner

if TYPE_CHECKING:
    from subprocess import Popen

_HANDLER, _TIMEOUT = "on_training_ended.handler", 60.0
WITH, WITHOUT = "with bytecode, as it ships", "without bytecode"
_MEMORY_MB, _MB_PER_CPU = 512, 1769  # Lambda gives CPU in proportion: one for 1,769 MB


@dataclass(frozen=True, slots=True)
class Start:
    """One environment from its start: the first message, and a second one for comparison."""

    first: Ended
    second: Ended
    cpu_first: float  # of everything up to the end of the first message
    cpu_second: float


@dataclass(frozen=True, slots=True)
class Bench:
    around: Surroundings
    runtime: Path
    spawner: Spawner

    @property
    def _function(self) -> Function:
        return self.around.functions[CONTROLLER]

    def start(self, code: Path, jobs: tuple[str, str]) -> Start:
        def spawn(address: str) -> "Popen[bytes]":
            own = {**self._variables(code), "AWS_LAMBDA_RUNTIME_API": address}
            return self.spawner.start(interpreter.command(_HANDLER), own, code)

        environment = Environment(spawn, _TIMEOUT)
        try:
            first = environment.invoke(self._message(jobs[0]))
            cpu_first = _cpu_seconds(environment.process.pid)
            second = environment.invoke(self._message(jobs[1]))
            cpu_both = _cpu_seconds(environment.process.pid)
        finally:
            environment.close()
        for ended in (first, second):
            if ended.error or json.loads(ended.payload)["batchItemFailures"]:
                raise RuntimeError(f"the function failed: {ended}")
        return Start(first, second, cpu_first, cpu_both - cpu_first)

    def _message(self, job: str) -> Invocation:
        record = {
            "messageId": job,
            "body": self.around.event(job),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._function.variables["RESILIENCE_QUEUE_ARN"],
        }
        payload = json.dumps({"Records": [record]}).encode()
        return Invocation(f"request-{job}", payload, self._function.arn, "Root=1-0-0")

    def _variables(self, code: Path) -> Mapping[str, str]:
        return {
            **self.around.environment(),
            "PYTHONPATH": str(self.runtime),
            "LAMBDA_TASK_ROOT": str(code),
            "LAMBDA_RUNTIME_DIR": str(self.runtime),
            "_HANDLER": _HANDLER,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(_MEMORY_MB),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            # Lambda's disk is read-only: what the package lacks is compiled at every start.
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def _cpu_seconds(pid: int) -> float:
    """On-CPU time of all threads, finer than the clock ticks that Linux tells elsewhere."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    jobs = iter(around.failed_jobs("cold", 4 * (repetitions + 1)))
    with TemporaryDirectory() as folder:
        bare = Path(folder) / "bare"
        shutil.copytree(package(), bare, ignore=shutil.ignore_patterns("__pycache__"))
        bench = Bench(around, interpreter.runtime_directory(Path(folder)), Spawner())
        packages = {WITH: package(), WITHOUT: bare}
        for code in packages.values():
            bench.start(code, (next(jobs), next(jobs)))  # files come from the disk the first time
        starts: dict[str, list[Start]] = {name: [] for name in packages}
        for _ in progress.through("cold start", range(repetitions)):
            for name, code in packages.items():
                starts[name].append(bench.start(code, (next(jobs), next(jobs))))
    yield _report(starts)


def _report(starts: dict[str, list[Start]]) -> Report:
    rows = []
    for name, some in starts.items():
        inits = [one.first.init_seconds or 0.0 for one in some]
        ours = [one.first.init_seconds or 0.0 for one in starts[WITH]]
        rows.append(
            (
                name,
                milliseconds(inits),
                ratio(ours, inits),
                milliseconds(one.first.seconds for one in some),
                milliseconds(one.cpu_first for one in some),
                milliseconds(one.second.seconds for one in some),
                milliseconds(one.cpu_second for one in some),
                whole(one.second.peak_mb for one in some),
            )
        )
    return Report(
        "Cold start under awslambdaric",
        (
            *("package", "init ms", "to ours", "first message ms", "CPU ms of both"),
            *("second message ms", "its CPU ms", "peak MB"),
        ),
        rows,
        (
            (
                "Medians of a whole relaunch each. Init: from the start of the process to its "
                "first request for work. The first message makes the clients and opens the "
                "connections."
            ),
            (
                f"At this machine's full speed. Lambda at {_MEMORY_MB} MB gives a message "
                f"{_MEMORY_MB / _MB_PER_CPU:.2f} of a CPU."
            ),
            f"{len(starts[WITH])} starts a row, by turns.",
        ),
    )
