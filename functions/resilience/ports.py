"""What the recovery needs of the world. Adapters fulfil these; so do the fakes of the tests."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from resilience.decide.decisions import Checkpoint, CheckpointRequest, Decision, Lookup, Upload
from resilience.failures import Tail
from resilience.relaunch import Request, Shape
from resilience.wire.switches import Switches


@dataclass(frozen=True, slots=True)
class Job:
    """A training job as DescribeTrainingJob shows it just now."""

    arn: str
    described: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What W&B answered. All but the lookup means something only with Lookup.FOUND.

    The checkpoints are those that the requested runs logged in the requested collection.
    """

    lookup: Lookup
    checkpoints: tuple[Checkpoint, ...] = ()
    project_exists: bool = True
    # Other collections of the project that hold committed checkpoints of the requested runs.
    elsewhere: tuple[str, ...] = ()
    foreign: int = 0  # versions of other runs that were seen and do not count
    # Versions of the requested runs whose upload has not ended, as far as they were seen.
    pending: tuple[Upload, ...] = ()
    # When a client last wrote to one of the requested runs, in epoch seconds by W&B's clock; None:
    # each client has said that it ended, or W&B does not say.
    heartbeat_at: int | None = None


class TrainingJobs(Protocol):
    def describe(self, name: str) -> Job | None:
        """Read a job afresh; None where SageMaker says that there is none."""
        ...

    def tags(self, name: str) -> dict[str, str] | None:
        """Read all of a job's tags afresh; None where there is no such job."""
        ...

    def create(self, request: Request) -> None:
        """Create a job; raises NameInUse, CreateRefused or what is to be tried again."""
        ...

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None: ...

    def request_shape(self) -> Shape: ...


class Checkpoints(Protocol):
    def newest(self, request: CheckpointRequest) -> Answer:
        """Ask for the newest versions that the runs logged, in one request as a rule.

        Never raises for W&B. Without runs nothing counts, and the answer has no checkpoints.
        """
        ...


class JobLogs(Protocol):
    def tails(self, job: str, hosts: int) -> tuple[Tail, ...]:
        """Read the end of each host's own log; empty where none can be read.

        Never raises for CloudWatch. Of many hosts, some are read.
        """
        ...


class Waits(Protocol):
    def schedule(self, job: str, times: int, due: int) -> None:
        """Have the job looked at again; a schedule that stands is left as it is."""
        ...

    def is_reminder_set(self, job: str, verdict: str) -> bool: ...

    def remind(self, job: str, verdict: str, due: int) -> None:
        """Have the job looked at again; a reminder of this verdict that stands is left as it is."""
        ...


class Notifications(Protocol):
    def publish(self, decision: Decision) -> None: ...


class DeadLetters(Protocol):
    def quarantine(self, body: str, reason: str) -> None: ...


class Queue(Protocol):
    def ask_to_check(self, jobs: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """All that the recovery may touch, time included."""

    jobs: TrainingJobs
    checkpoints: Checkpoints
    waits: Waits
    notifications: Notifications
    switches: Callable[[], Switches]  # both, read afresh in one call
    now: Callable[[], int]  # epoch seconds
    logs: JobLogs | None = None  # None: the stack does not read them
