from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from local.aws.sagemaker import errors
from local.aws.sagemaker.cluster import Cluster, cluster_of
from local.aws.sagemaker.inbox import Inbox
from local.aws.sagemaker.metric_definitions import LogMetrics
from local.aws.sagemaker.states import JobState


@dataclass(frozen=True)
class Place:
    """Where a job's name is unique."""

    account: str
    region: str

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:training-job/{name}"


class TrainingJob:
    """One training job: what was asked for, which never changes, and its state, which does."""

    def __init__(
        self, place: Place, request: dict[str, Any], tags: dict[str, str], state: JobState
    ) -> None:
        self.place = place
        self.name: str = request["TrainingJobName"]
        self.arn = place.arn(self.name)
        self.request = request
        self.tags = tags
        self.state = state
        self.metrics = LogMetrics.of(request)
        self.previous = state
        self.inbox = Inbox()
        self.stop_asked = False
        # The supervisors of its hosts that run, by host.
        self.processes: dict[str, int] = {}
        self.directories: list[str] = []
        self.lock = RLock()

    def change(self, step: Callable[[JobState], JobState], told: Callable[[], None]) -> None:
        """Take one step and tell of it, so that what is told keeps the order of what happened."""
        with self.lock:
            self.previous, self.state = self.state, step(self.state)
            told()

    @property
    def cluster(self) -> Cluster:
        return cluster_of(self.request)

    @property
    def instances(self) -> int:
        return len(self.cluster.hosts)


@dataclass(frozen=True)
class Registry:
    """All training jobs, by place and name."""

    jobs: dict[tuple[Place, str], TrainingJob] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    def add(self, job: TrainingJob) -> None:
        with self.lock:
            if (job.place, job.name) in self.jobs:
                raise errors.name_taken(job.arn)
            self.jobs[job.place, job.name] = job

    def by_arn(self, place: Place, arn: str) -> TrainingJob | None:
        job = self.jobs.get((place, arn.rpartition("/")[2]))
        return job if job and job.arn == arn else None

    def remove(self, job: TrainingJob) -> None:
        with self.lock:
            if not job.state.is_over:
                raise errors.still_running(job.arn, job.state.status)
            self.jobs.pop((job.place, job.name), None)

    def at(self, place: Place) -> list[TrainingJob]:
        with self.lock:
            return [job for (where, _), job in self.jobs.items() if where == place]

    def everywhere(self) -> list[TrainingJob]:
        with self.lock:
            return list(self.jobs.values())
