"""Import plus first decision in a fresh process, beside the same look-up by `wandb.Api()`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.network import SlowNetwork, slow_network
from bench.processes import SITE_PACKAGES, subject
from bench.progress import Progress
from bench.relaunch import ROUND_TRIPS
from bench.report import Report, megabytes, milliseconds, ratio, whole
from bench.surroundings import COLLECTION, CONTROLLER, PROJECT, RUN, TAGS, Surroundings
from local.stack import ENTITY

NOTHING, LOOKUP, OURS, SDK = (
    "python, nothing else",
    "controller's look-up alone: one GraphQL request",
    "controller: import, connect, decide",
    "wandb.Api(): import, list the versions",
)
_COLUMNS = ("fresh process", "round trip ms", "requests", "processes")
_FIGURES = ("wall ms", "to decision", "CPU ms", "to decision", "peak MB", "to decision")
_AFTERMATH_SECONDS = 0.3
_OBSERVED = {"resilience:mode": "observe"}  # decides, and changes nothing


@dataclass(frozen=True, slots=True)
class Sample:
    wall: float
    cpu: float
    peak_mb: float
    processes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Bench:
    around: Surroundings
    network: SlowNetwork
    folder: Path
    job: str

    def nothing(self) -> Sample:
        return self._measure("nothing", {})

    def decision(self) -> Sample:
        urls = self.network.urls
        environment = self.around.environment(CONTROLLER, urls["aws"], urls["wandb"])
        tags = TAGS | _OBSERVED
        body = self.around.event(self.job, tags)
        question = {"flow": "controller", "job": self.job, "body": body}
        return self._measure("handling", environment, question=question)

    def lookup(self) -> Sample:
        return self._look_up("graphql_lookup", ENTITY, PROJECT, COLLECTION, RUN)

    def sdk(self) -> Sample:
        path = f"{ENTITY}/{PROJECT}/{COLLECTION}"
        return self._look_up("wandb_lookup", path, packages=SITE_PACKAGES)

    def _look_up(self, script: str, *arguments: str, packages: Path | None = None) -> Sample:
        """With a home of its own: what the SDK has cached it would not ask for again."""
        with TemporaryDirectory(dir=self.folder) as home:
            environment = {
                "PATH": self.around.environment()["PATH"],
                "HOME": home,
                **self.around.stack.wandb.environment(Path(home)),
                "WANDB_BASE_URL": self.network.urls["wandb"],
            }
            return self._measure(script, environment, *arguments, packages=packages)

    def _measure(
        self,
        name: str,
        environment: Mapping[str, str],
        *arguments: str,
        packages: Path | None = None,
        question: Mapping[str, str] | None = None,
    ) -> Sample:
        with subject(name, environment, *arguments, packages=packages) as fresh:
            answer = fresh.ask(question) if question else fresh.answer()
        used = answer["process"]
        time.sleep(_AFTERMATH_SECONDS)  # a sidecar still says good-bye
        requests = [one for one in self.network.take() if one.began < used["moment"]]
        return Sample(
            wall=used["moment"] - fresh.spawned,
            cpu=used["cpu"],
            peak_mb=used["peak_mb"],
            processes=int(used["processes"]),
            requests=len(requests),
        )


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    services = {"aws": around.stack.aws.endpoint, "wandb": around.stack.wandb.url}
    (job,) = around.failed_jobs("first", 1, _OBSERVED)
    samples: dict[tuple[str, float], list[Sample]] = {}
    with slow_network(services) as network, TemporaryDirectory() as folder:
        bench = Bench(around, network, Path(folder), job)
        ways = {
            NOTHING: bench.nothing,
            LOOKUP: bench.lookup,
            OURS: bench.decision,
            SDK: bench.sdk,
        }
        for seconds in ROUND_TRIPS:
            network.set_round_trip(seconds)
            what = f"first decision, round trip {seconds * 1000:.0f} ms"
            _measure(samples, seconds, ways, progress.through(what, range(repetitions)))
    yield _report(samples)


def _measure(
    samples: dict[tuple[str, float], list[Sample]],
    seconds: float,
    ways: dict[str, Callable[[], Sample]],
    rounds: Iterator[int],
) -> None:
    for way in ways.values():
        way()  # files come from the disk the first time
    for _ in rounds:
        for name, way in ways.items():
            samples.setdefault((name, seconds), []).append(way())


def _report(samples: dict[tuple[str, float], list[Sample]]) -> Report:
    rows = [
        (name, f"{seconds * 1000:.0f}", *_figures(some, samples[OURS, seconds]))
        for (name, seconds), some in samples.items()
    ]
    return Report(
        "Import plus first decision in a fresh process",
        (*_COLUMNS, *_FIGURES),
        rows,
        (
            (
                "Medians, from the start of the process to its answer; CPU and peak memory of the "
                "process and of those that it started."
            ),
            (
                "The controller runs from the built package, as on Lambda: it reads the mode, the "
                "job, its tags, the W&B key and the checkpoints, and decides. The two look-ups "
                "are of the checkpoints alone, with the key at hand. All have their bytecode."
            ),
            f"{len(samples[OURS, 0.0])} processes a row, by turns.",
        ),
    )


def _figures(some: Sequence[Sample], ours: Sequence[Sample]) -> tuple[str, ...]:
    wall, cpu = [one.wall for one in some], [one.cpu for one in some]
    peak = [one.peak_mb for one in some]
    return (
        whole(one.requests for one in some),
        whole(one.processes for one in some),
        milliseconds(wall),
        ratio([one.wall for one in ours], wall),
        milliseconds(cpu),
        ratio([one.cpu for one in ours], cpu),
        megabytes(peak),
        ratio([one.peak_mb for one in ours], peak),
    )
