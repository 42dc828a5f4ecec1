"""From a failure to the first resumed step in the demo (`make demo`, FAULT=gpu), stage by stage."""

import io
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from typing_extensions import override

from bench.progress import Progress
from bench.report import Report
from local.demo.__main__ import PARAMETERS
from local.demo.lineage import Attempt, Observer
from local.demo.run import PROJECT, ROOT, Run
from local.demo.scenarios import SCENARIOS
from local.demo.story import Story
from local.stack import ENTITY, LAMBDA_LOGS, REPOSITORY, LocalStack, local_stack

SUCCESSOR = f"{ROOT}-r2"
STAGES = (
    ("kill", ""),
    ("the job is Failed", "SageMaker"),
    ("Lambda is called: event, rule, queue, poll", "AWS"),
    ("the function has started: imports", "controller"),
    ("CreateTrainingJob accepted", "controller"),
    ("the container starts: instance, source, data", "SageMaker"),
    ("Python has imported torch, lightning, wandb", "training"),
    ("wandb.init has resumed the run", "training"),
    ("the checkpoint is downloaded and verified", "training"),
    ("first resumed step done", "training"),
)
_LOGGED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) INFO (.*)")
_HISTORY = """query History($entity: String!, $project: String!, $run: String!) {
  project(entityName: $entity, name: $project) { run(name: $run) { history(samples: 10000) } }
}"""
_LOG_SECONDS = 1.0


class Watch(Story):
    """A story that nobody reads; of all that it hears it notes the moment of the blow."""

    def __init__(self, blow: str) -> None:
        super().__init__(Console(file=io.StringIO()))
        self._blow = blow
        self.struck = 0.0

    @override
    def say(self, who: str, text: str) -> None:
        if (who, text) == ("break", self._blow):
            self.struck = time.time()


def run(progress: Progress, repetitions: int) -> Iterator[Report]:
    moments = [
        _one(progress, number) for number in progress.through("resumption", range(repetitions))
    ]
    yield _report([_between(one) for one in moments])


def _one(progress: Progress, number: int) -> list[float]:
    scenario = replace(SCENARIOS["gpu"], hyperparameters={"log-every-n-steps": "1"})
    watch = Watch(scenario.says)
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-demo-", dir=home) as folder,
        local_stack(Path(folder), progress.say, PARAMETERS) as stack,
    ):
        progress.say(f"demo {number + 1}: training, until it is broken and has come back")
        observer = Observer(stack, ROOT)
        Run(stack, scenario, watch, Path(folder)).play(observer)
        time.sleep(_LOG_SECONDS)
        return moments(stack, observer, watch.struck)


def moments(stack: LocalStack, observer: Observer, struck: float) -> list[float]:
    """Read when each stage ended, in epoch seconds, from what the lineage left behind."""
    failed, successor = Attempt(ROOT), Attempt(SUCCESSOR)
    observer.look(failed)
    observer.look(successor)
    called, started = _invocation(stack)
    return [
        struck,
        failed.described["TrainingEndTime"].timestamp(),
        called,
        started,
        successor.described["CreationTime"].timestamp(),
        _entered(successor.described, "Training"),
        _sidecar_started(stack),
        _logged(successor, "W&B run "),
        _logged(successor, "resuming from "),
        _first_step(stack, successor.described["CreationTime"].timestamp()),
    ]


def _invocation(stack: LocalStack) -> tuple[float, float]:
    """When the relaunching invocation was called, and when its init was over."""
    events = stack.client("logs").filter_log_events(logGroupName=stack.resource(LAMBDA_LOGS))
    lines = [json.loads(one["message"]) for one in events["events"] if one["message"][:1] == "{"]
    told = next(i for i, line in enumerate(lines) if line.get("verdict") == "RELAUNCH")
    report = next(line for line in lines[told:] if line.get("type") == "platform.report")
    metrics = report["record"]["metrics"]
    started = datetime.fromisoformat(report["time"]).timestamp() - metrics["durationMs"] / 1000
    return started - metrics.get("initDurationMs", 0.0) / 1000, started


def _entered(described: Mapping[str, Any], secondary: str) -> float:
    transitions = described["SecondaryStatusTransitions"]
    start: datetime = next(one["StartTime"] for one in transitions if one["Status"] == secondary)
    return start.timestamp()


def _sidecar_started(stack: LocalStack) -> float:
    """When wandb.init started its sidecar: the first thing it does, so all imports are done."""
    (job,) = (one for one in stack.aws.jobs()["jobs"] if one["name"] == SUCCESSOR)
    (log,) = Path(job["directories"][-1]).glob("wandb/run-*/logs/debug-core.log")
    first = json.loads(log.read_text().partition("\n")[0])
    return datetime.fromisoformat(first["time"][:26] + "+00:00").timestamp()


def _logged(attempt: Attempt, beginning: str) -> float:
    found = (_LOGGED.match(line) for line in attempt.log)
    line = next(one for one in found if one and one[3].startswith(beginning))
    # The training logs in local time.
    return datetime.fromisoformat(f"{line[1]}.{line[2]}").astimezone().timestamp()


def _first_step(stack: LocalStack, after: float) -> float:
    asked = {"entity": ENTITY, "project": PROJECT, "run": ROOT}
    rows = stack.wandb.graphql(_HISTORY, **asked)["project"]["run"]["history"]
    stamps = (float(json.loads(row)["_timestamp"]) for row in rows)
    return min(stamp for stamp in stamps if stamp > after)


def _between(ends: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(ends)]


def _report(runs: list[list[float]]) -> Report:
    rows = [
        (name, whose, *_figures([one[index] for one in runs], runs))
        for index, (name, whose) in enumerate(STAGES[1:])
    ]
    for whose in ("controller", "training"):
        own = [index for index, (_, of) in enumerate(STAGES[1:]) if of == whose]
        total = [sum(one[index] for index in own) for one in runs]
        rows.append((f"of that, {whose}", "", *_figures(total, runs)))
    rows.append(("kill to the first resumed step", "", *_figures([sum(one) for one in runs], runs)))
    return Report(
        "A killed job to its first resumed step, in the demo",
        ("stage, by its end", "whose", "median ms", "lowest", "highest", "share"),
        rows,
        (
            (
                f"{len(runs)} runs of FAULT=gpu, each on a stack of its own, so the function "
                "starts cold. Times are those that SageMaker, Lambda, the training and W&B leave "
                "behind."
            ),
            "Here an instance is there at once; on AWS it takes minutes, and dwarfs the rest.",
        ),
    )


def _figures(seconds: list[float], runs: list[list[float]]) -> tuple[str, ...]:
    share = median(seconds) / median(sum(one) for one in runs)
    low, middle, high = min(seconds), median(seconds), max(seconds)
    return (*(f"{one * 1000:.0f}" for one in (middle, low, high)), f"{share:.0%}")
