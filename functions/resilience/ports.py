"""What the recovery needs of the world. Adapters fulfil these; so do the fakes of the tests."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from resilience.decisions import Checkpoint, CheckpointRequest, Decision, Lookup, Mode
from resilience.relaunch import Request, Shape


@dataclass(frozen=True, slots=True)
class Job:
    """A training job as DescribeTrainingJob shows it just now."""

    arn: str
    described: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What W&B answered. The checkpoints mean something only with Lookup.FOUND."""

    lookup: Lookup
    checkpoints: tuple[Checkpoint, ...] = ()
    project_exists: bool = True
    elsewhere: tuple[str, ...] = ()  # other collections in which the runs have checkpoints


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
        """Ask for the newest versions of a collection, in one request; never raises for W&B."""
        ...


class Waits(Protocol):
    def schedule(self, job: str, times: int, due: int) -> int:
        """Have the job looked at again; returns when, which an earlier call may have set."""
        ...

    def remind(self, job: str, due: int) -> bool:
        """Have the job looked at again; False where an earlier reminder still stands."""
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
    mode: Callable[[], Mode]
    now: Callable[[], int]  # epoch seconds
