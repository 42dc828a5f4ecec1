"""Many jobs ending at once: how fast they come back, and whether each does exactly once."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.processes import SITE_PACKAGES, subject
from bench.progress import Progress
from bench.report import Report
from bench.surroundings import SWEEP, Surroundings
from local.stack import LAMBDA_LOGS, REPOSITORY

# The template's MaximumConcurrency; calls of a region's own API.
WORKERS, ROUND_TRIP, CREATES_A_SECOND = 4, 0.010, 20
_IN_MEMORY, _IN_MEMORY_QUICK = (10, 100, 1_000, 10_000), (10, 100)
_THROTTLED = (10, 100, 1_000)
_ON_STACK, _ON_STACK_QUICK = (10, 100, 1_000), (10,)
_PACKAGES = Path(f"{REPOSITORY / 'functions'}{os.pathsep}{SITE_PACKAGES}")
_SECOND, _POLL_SECONDS, _PATIENCE_SECONDS = 1.1, 0.5, 600.0
_COLUMNS = ("jobs", "successors", "duplicates", "lost")
_SPEED = ("half are back after s", "all after s")


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    full = repetitions > 1
    yield _in_memory(progress, _IN_MEMORY if full else _IN_MEMORY_QUICK)
    yield _throttled(progress, _THROTTLED if full else _IN_MEMORY_QUICK)
    yield _on_stack(around, progress, _ON_STACK if full else _ON_STACK_QUICK)


def _storm(count: int, creates_a_second: int) -> dict[str, Any]:
    environment = {"POWERTOOLS_SERVICE_NAME": "bench", "POWERTOOLS_METRICS_NAMESPACE": "Bench"}
    arguments = map(str, (count, WORKERS, ROUND_TRIP, creates_a_second))
    with subject("storm", environment, *arguments, packages=_PACKAGES) as stormed:
        return stormed.answer()


def _in_memory(progress: Progress, counts: tuple[int, ...]) -> Report:
    rows = [_row(_storm(count, 0)) for count in progress.through("storm in memory", counts)]
    return Report(
        "A storm, on services in memory",
        (*_COLUMNS, "successors a second", *_SPEED, "own CPU ms a job", "peak MB"),
        rows,
        (
            (
                f"Each job is told of twice, in random order; {WORKERS} workers, as the template "
                "lets run at once, take one message at a time; every remote call takes "
                f"{ROUND_TRIP * 1000:.0f} ms. The worlds in memory share the process: their CPU "
                "and memory are in the figures."
            ),
        ),
    )


def _throttled(progress: Progress, counts: tuple[int, ...]) -> Report:
    rows = []
    for count in progress.through("storm in memory, throttled", counts):
        answer = _storm(count, CREATES_A_SECOND)
        told = (answer["throttled"], answer["messages"], answer["waited"])
        rows.append((*_outcome(answer), *(f"{one:,}" for one in told)))
    return Report(
        f"The same, and SageMaker throttles above {CREATES_A_SECOND} creates a second",
        (*_COLUMNS, "throttled creates", "messages", "all after s, by the clock"),
        rows,
        (
            (
                "A throttled create is a WAIT, which a one-shot schedule brings back. The clock "
                "is put forward to the next one that is due, so the seconds are those of the "
                "waits."
            ),
        ),
    )


def _outcome(answer: Mapping[str, Any]) -> tuple[str, ...]:
    jobs = answer["successors"] - answer["duplicates"] + answer["lost"]
    counts = (jobs, answer["successors"], answer["duplicates"], answer["lost"])
    return tuple(f"{count:,}" for count in counts)


def _row(answer: Mapping[str, Any]) -> tuple[str, ...]:
    relaunched = answer["relaunched"]
    return (
        *_outcome(answer),
        f"{answer['successors'] / relaunched[-1]:.0f}",
        f"{median(relaunched):.2f}",
        f"{relaunched[-1]:.2f}",
        f"{answer['cpu'] * 1000 / answer['successors']:.1f}",
        f"{answer['process']['peak_mb']:.0f}",
    )


def _on_stack(around: Surroundings, progress: Progress, counts: tuple[int, ...]) -> Report:
    rows = []
    for count in counts:
        progress.say(f"storm on the local AWS: {count:,} jobs")
        jobs = around.failed_jobs(f"storm{count}", count)
        time.sleep(_SECOND)  # a sweep looks at whole seconds that are over
        rows.append(_stormed(around, progress, jobs))
    return Report(
        "A storm, on the local AWS: one sweep finds all of them",
        (*_COLUMNS, "successors a second", *_SPEED, "invocations", "billed ms a job"),
        rows,
        (
            (
                "The deployed template: sweep, queue, and at most "
                f"{WORKERS} Lambda processes at a time, on this machine together with AWS and W&B."
            ),
            (
                "Times are of the successors' creation, from the call of the sweep on; billed "
                "time is Lambda's own report of on_training_ended at this machine's full speed."
            ),
        ),
    )


def _stormed(around: Surroundings, progress: Progress, jobs: list[str]) -> tuple[str, ...]:
    before = len(_reports(around))
    began = time.time()
    around.stack.client("lambda").invoke(FunctionName=around.stack.resource(SWEEP), Payload=b"{}")
    _wait_until_judged(around, progress, jobs)
    time.sleep(_SECOND)  # the last report is still being written
    billed = _reports(around)[before:]
    created = _successors(around, jobs)
    times = sorted(moment - began for _, moment in created)
    lineages = {name.rpartition("-r")[0] for name, _ in created}
    _end(around, [*jobs, *(name for name, _ in created)])
    return (
        f"{len(jobs):,}",
        f"{len(created):,}",
        str(len(created) - len(lineages)),
        str(len(jobs) - len(lineages)),
        f"{len(created) / times[-1]:.1f}",
        f"{median(times):.2f}",
        f"{times[-1]:.2f}",
        str(len(billed)),
        f"{sum(billed) / len(jobs):.0f}",
    )


def _wait_until_judged(around: Surroundings, progress: Progress, jobs: list[str]) -> None:
    """Wait for the last job's verdict; whoever has one is not asked again."""
    sagemaker, deadline = around.stack.client("sagemaker"), time.time() + _PATIENCE_SECONDS
    prefix = around.arn("")
    left = list(reversed(jobs))
    for _ in progress.through("storm: waiting for the last verdict", iter(int, 1)):
        while left:
            tags = sagemaker.list_tags(ResourceArn=prefix + left[-1], MaxResults=100)["Tags"]
            if {"Key": "resilience:verdict", "Value": "RELAUNCH"} not in tags:
                break
            left.pop()
        if not left or time.time() > deadline:
            return
        time.sleep(_POLL_SECONDS)


def _successors(around: Surroundings, jobs: list[str]) -> list[tuple[str, float]]:
    """Return every job that is a successor of one of these, with the moment of its creation."""
    pages = around.stack.client("sagemaker").get_paginator("list_training_jobs")
    found = pages.paginate(NameContains=jobs[0].partition("-")[0] + "-", MaxResults=100)
    roots = set(jobs)
    summaries = [one for page in found for one in page["TrainingJobSummaries"]]
    return [
        (one["TrainingJobName"], one["CreationTime"].timestamp())
        for one in summaries
        if one["TrainingJobName"] not in roots
    ]


def _reports(around: Surroundings) -> list[float]:
    """Return the billed milliseconds of all invocations so far, in order."""
    pages = around.stack.client("logs").get_paginator("filter_log_events")
    group = around.stack.resource(LAMBDA_LOGS)
    found = pages.paginate(logGroupName=group)
    texts = [event["message"] for page in found for event in page["events"]]
    lines = (json.loads(text) for text in texts if text.startswith("{"))
    reports = [line["record"]["metrics"] for line in lines if line.get("type") == "platform.report"]
    return [one["billedDurationMs"] for one in reports]


def _end(around: Surroundings, names: list[str]) -> None:
    """Take them away, so that the next sweep finds nothing but its own."""
    for name in names:
        around.stack.client("sagemaker").delete_training_job(TrainingJobName=name)
