"""What a recovery costs, from measured durations, calls and bytes at list prices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.network import slow_network
from bench.processes import Subject, subject
from bench.progress import Progress
from bench.relaunch import FIRST, WARM, Bench
from bench.report import Report
from bench.surroundings import CONTROLLER, SWEEP, Surroundings

ROUND_TRIP = 0.010
# List prices of us-east-1 when this was written, in dollars; no free tier is taken off.
GB_SECOND, INVOCATION = 0.0000133334, 0.20e-6  # Lambda on arm64
SQS_REQUEST, SNS_MESSAGE, SECRET_CALL = 0.40e-6, 0.50e-6, 0.05 / 10_000
LOG_GB = 0.50  # CloudWatch Logs, taken in
KEY_MONTH, SECRET_MONTH, ALARM_MONTH = 1.00, 0.40, 0.10
MEMORY_GB, CPU_SHARE = 512 / 1024, 512 / 1769  # Lambda gives one CPU for 1,769 MB
_SWEEPS_A_MONTH = 30 * 24 * 60 // 5
_PLATFORM_LINES = 700  # bytes of Lambda's own lines about an invocation
# Sent, received, deleted.
_QUEUE_REQUESTS = 3
# Lambda waits at a quiet queue with five long polls of 20 seconds.
_POLLS_A_MONTH = 5 * 30 * 24 * 3600 // 20


@dataclass(slots=True)
class Measured:
    """One kind of message: wall and CPU seconds, and what was logged."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    logged: list[int] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """What Lambda would bill: a share of a CPU makes the CPU's part so much longer."""
        return median(self.walls) + median(self.cpus) * (1 / CPU_SHARE - 1)

    @property
    def lambda_dollars(self) -> float:
        return self.seconds * MEMORY_GB * GB_SECOND + INVOCATION

    @property
    def log_dollars(self) -> float:
        return (median(self.logged) + _PLATFORM_LINES) / 1e9 * LOG_GB


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    services = {"aws": around.stack.aws.endpoint, "wandb": around.stack.wandb.url}
    with slow_network(services) as network:
        network.set_round_trip(ROUND_TRIP)
        urls = network.urls
        bench = Bench(around, network, around.environment(CONTROLLER, urls["aws"], urls["wandb"]))
        relaunched, repeated, cold = _messages(bench, progress, repetitions)
        swept = Measured()
        with subject("sweeping", around.environment(SWEEP, urls["aws"])) as sweeper:
            for _ in range(repetitions):
                _note(swept, sweeper, sweeper.ask({}))
    yield _of_a_recovery(relaunched, repeated, cold)
    yield _of_a_month(around, swept)


def _messages(
    bench: Bench, progress: Progress, repetitions: int
) -> tuple[Measured, Measured, Measured]:
    relaunched, repeated, cold = Measured(), Measured(), Measured()
    jobs = iter(bench.around.failed_jobs("cost", 2 * repetitions + 1))
    with subject("handling", bench.environment) as measured:
        bench.take(measured, WARM, next(jobs))
        for _ in progress.through("cost", range(repetitions)):
            job = next(jobs)
            question = bench.question(WARM, job)
            _note(relaunched, measured, measured.ask(question))
            _note(repeated, measured, measured.ask(question))
    for _ in range(repetitions):
        with subject("handling", bench.environment) as fresh:
            answer = fresh.ask(bench.question(FIRST, next(jobs)))
            used = answer["process"]
            # The init is not billed by the share of a CPU: Lambda gives a whole one for it.
            init = used["moment"] - fresh.spawned - answer["wall"]
            _note(cold, fresh, {"wall": answer["wall"] + init, "cpu": answer["cpu"]})
    return relaunched, repeated, cold


def _note(measured: Measured, of: Subject, answer: dict[str, float]) -> None:
    measured.walls.append(answer["wall"])
    measured.cpus.append(answer["cpu"])
    measured.logged.append(of.logged)
    of.logged = 0


def _of_a_recovery(relaunched: Measured, repeated: Measured, cold: Measured) -> Report:
    rows = []
    for label, first in (("warm", relaunched), ("cold start", cold)):
        function = first.lambda_dollars + repeated.lambda_dollars
        queue = 2 * _QUEUE_REQUESTS * SQS_REQUEST
        logs = first.log_dollars + repeated.log_dollars
        secret = SECRET_CALL if first is cold else 0.0
        parts = (function, queue, SNS_MESSAGE, secret, logs)
        rows.append(
            (
                label,
                f"{first.seconds * 1000:.0f} + {repeated.seconds * 1000:.0f}",
                f"{(median(first.logged) + median(repeated.logged)) / 1000:.1f}",
                *(_per_million(part) for part in parts),
                _per_million(sum(parts)),
            )
        )
    return Report(
        "Cost of a recovery, in dollars for a million",
        (
            *("recovery", "billed ms", "logged KB", "Lambda", "SQS", "SNS", "Secrets Manager"),
            *("logs", "in all"),
        ),
        rows,
        (
            (
                "List prices, us-east-1, as of writing: Lambda arm64 $0.0000133334 a GB-second "
                "and $0.20 a million requests, SQS $0.40 and SNS $0.50 a million, Secrets Manager "
                "$0.05 for 10,000 calls, CloudWatch Logs $0.50 a GB. AWS's own events, SSM's "
                "standard parameters and the SageMaker API cost nothing. No free tier."
            ),
            (
                "A failure is told of twice: one message relaunches, one finds the verdict. Each "
                f"is its own invocation at {MEMORY_GB * 1024:.0f} MB, its CPU time stretched by "
                f"{1 / CPU_SHARE:.1f} as Lambda does, every call {ROUND_TRIP * 1000:.0f} ms away."
            ),
        ),
    )


def _of_a_month(around: Surroundings, swept: Measured) -> Report:
    resources = _resources(around)
    parts: Sequence[tuple[str, float]] = (
        (
            f"sweep, {_SWEEPS_A_MONTH:,} times of {swept.seconds * 1000:.0f} ms",
            _SWEEPS_A_MONTH * (swept.lambda_dollars + swept.log_dollars),
        ),
        (f"polls of a quiet queue, {_POLLS_A_MONTH:,}", _POLLS_A_MONTH * SQS_REQUEST),
        (f"alarms, {resources.count('AWS::CloudWatch::Alarm')}",
         resources.count("AWS::CloudWatch::Alarm") * ALARM_MONTH),
        ("key of the notifications", resources.count("AWS::KMS::Key") * KEY_MONTH),
        ("secret with the W&B key", SECRET_MONTH),
    )  # fmt: skip
    rows = [(name, f"{dollars:.2f}") for name, dollars in parts]
    rows.append(("in all", f"{sum(dollars for _, dollars in parts):.2f}"))
    return Report(
        "Cost of a month in which nothing fails, in dollars",
        ("what", "dollars"),
        rows,
        (
            (
                "The same list prices; an alarm $0.10, a KMS key $1.00, a secret $0.40 a month. "
                "Custom metrics, $0.30 each, come with the first event of each verdict and reason."
            ),
        ),
    )


def _resources(around: Surroundings) -> list[str]:
    pages = around.stack.client("cloudformation").get_paginator("list_stack_resources")
    found = pages.paginate(StackName="resilience")
    return [one["ResourceType"] for page in found for one in page["StackResourceSummaries"]]


def _per_million(dollars: float) -> str:
    return f"{dollars * 1e6:.2f}"
