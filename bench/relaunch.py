"""From an event to the accepted CreateTrainingJob: waves, calls, own CPU and wall time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.exchanges import CREATE, Exchange, until, waves
from bench.network import SlowNetwork, slow_network
from bench.processes import Subject, subject
from bench.progress import Progress
from bench.report import Report, milliseconds, ratio, whole
from bench.surroundings import CONTROLLER, Surroundings

ROUND_TRIPS = (0.0, 0.010)
WARM, TAGLESS, FIRST, NAIVE = (
    "controller",
    "controller, event without tags",
    "controller, first message of a process",
    "naive, every call after the other",
)
_COLUMNS = (
    *("flow", "round trip ms", "waves", "calls", "own CPU ms", "wall ms", "to ours"),
    *("all calls", "all CPU ms", "all wall ms"),
)
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One message: what it took until the create was accepted, and in all."""

    answer: Mapping[str, Any]
    exchanges: Sequence[Exchange]

    @property
    def calls(self) -> int:
        return len(until(CREATE, self.exchanges))

    @property
    def waves(self) -> int:
        return waves(until(CREATE, self.exchanges))


Samples = dict[tuple[str, float], list[Sample]]


@dataclass(frozen=True, slots=True)
class Bench:
    around: Surroundings
    network: SlowNetwork
    environment: Mapping[str, str]

    def question(self, flow: str, job: str) -> dict[str, str]:
        tags = {} if flow != TAGLESS else {"tags": None}
        return {
            "flow": "naive" if flow == NAIVE else "controller",
            "job": job,
            "body": self.around.event(job, **tags),
        }

    def take(self, measured: Subject, flow: str, job: str) -> Sample:
        self.network.take()
        answer = measured.ask(self.question(flow, job))
        if not answer["created"]:
            raise RuntimeError(f"{job} got no successor: it cannot be compared")
        return Sample(answer, self.network.take())


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    services = {"aws": around.stack.aws.endpoint, "wandb": around.stack.wandb.url}
    samples: Samples = {}
    with slow_network(services) as network:
        urls = network.urls
        environment = around.environment(CONTROLLER, urls["aws"], urls["wandb"])
        bench = Bench(around, network, environment)
        for seconds in ROUND_TRIPS:
            network.set_round_trip(seconds)
            _measure(bench, samples, seconds, progress, repetitions)
    yield _report(samples)


def _measure(
    bench: Bench, samples: Samples, seconds: float, progress: Progress, repetitions: int
) -> None:
    """The flows take turns, so that whatever else the machine does falls on all of them alike."""
    label = f"rtt{seconds * 1000:.0f}"
    flows = (WARM, TAGLESS, NAIVE)
    jobs = iter(
        bench.around.failed_jobs(label, (_WARM_UP + repetitions) * len(flows) + repetitions)
    )
    with subject("handling", bench.environment) as measured:
        for _ in range(_WARM_UP):
            for flow in flows:
                bench.take(measured, flow, next(jobs))
        for _ in progress.through(
            f"relaunch, round trip {seconds * 1000:.0f} ms", range(repetitions)
        ):
            for flow in flows:
                sample = bench.take(measured, flow, next(jobs))
                samples.setdefault((flow, seconds), []).append(sample)
    for _ in progress.through("the same, each in a fresh process", range(repetitions)):
        with subject("handling", bench.environment) as fresh:
            sample = bench.take(fresh, FIRST, next(jobs))
            samples.setdefault((FIRST, seconds), []).append(sample)


def _report(samples: Samples) -> Report:
    ours = {seconds: _values(samples[WARM, seconds], "wall_accepted") for seconds in ROUND_TRIPS}
    rows = []
    for seconds in ROUND_TRIPS:
        for flow in (WARM, TAGLESS, FIRST, NAIVE):
            some = samples[flow, seconds]
            wall = _values(some, "wall_accepted")
            rows.append(
                (
                    flow,
                    f"{seconds * 1000:.0f}",
                    # Without a network in between, what runs side by side overlaps by luck.
                    whole(one.waves for one in some) if seconds else "",
                    whole(one.calls for one in some),
                    milliseconds(_values(some, "cpu_accepted")),
                    milliseconds(wall),
                    ratio(ours[seconds], wall),
                    whole(len(one.exchanges) for one in some),
                    milliseconds(_values(some, "cpu")),
                    milliseconds(_values(some, "wall")),
                )
            )
    return Report(
        "Event in to CreateTrainingJob accepted",
        _COLUMNS,
        rows,
        (
            (
                "Medians. Waves: the largest set of calls of which none overlaps another, as seen "
                "on the network. 'all' goes on to the message's end: notification and verdict "
                "tag."
            ),
            "The local services' own time is in every wall time; own CPU is the process's alone.",
            f"{len(samples[WARM, 0.0])} messages a row, the flows by turns in one process.",
        ),
    )


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [one.answer[name] for one in samples]
