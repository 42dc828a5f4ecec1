"""The world that the controller sees: in memory, and at times out of order as AWS and W&B are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from local.in_memory import (
    Clock,
    InMemorySageMaker,
    InMemorySchedules,
    InMemoryWandb,
    InMemoryWorld,
)
from proofs.judge import rates
from proofs.judge.chance import Chance
from proofs.judge.week import Window, inside
from resilience.decide.decisions import CheckpointRequest, Lookup
from resilience.errors import Retry
from resilience.ports import Answer, Job, World
from resilience.relaunch import Request, Shape


@dataclass(slots=True)
class Weather:
    """When a service does not do what it is asked."""

    incidents: Sequence[Window] = ()
    wandb_down: list[Window] = field(default_factory=list)  # grows where it is down at an end
    key_refused: Sequence[Window] = ()
    add_tags_down: Sequence[Window] = ()
    scheduler_down: Sequence[Window] = ()


@dataclass(slots=True)
class _Jobs:
    """Fulfils ports.TrainingJobs; a call in an incident may have no answer."""

    real: InMemorySageMaker
    weather: Weather
    clock: Clock
    chance: Chance

    def describe(self, name: str) -> Job | None:
        self._may_fail("DescribeTrainingJob")
        return self.real.describe(name)

    def tags(self, name: str) -> dict[str, str] | None:
        self._may_fail("ListTags")
        return self.real.tags(name)

    def create(self, request: Request) -> None:
        self._may_fail("CreateTrainingJob")
        self.real.create(request)

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        self._may_fail("AddTags")
        if inside(self.weather.add_tags_down, self.clock()):
            raise Retry("AddTags: ServiceUnavailable")
        self.real.add_tags(arn, tags)

    def request_shape(self) -> Shape:
        return self.real.request_shape()

    def _may_fail(self, operation: str) -> None:
        trouble = inside(self.weather.incidents, self.clock())
        if trouble and self.chance.happens(rates.CALLS_LOST_IN_INCIDENT):
            raise Retry(f"{operation}: InternalFailure")


@dataclass(slots=True)
class _Checkpoints:
    """Fulfils ports.Checkpoints."""

    real: InMemoryWandb
    weather: Weather
    clock: Clock

    def newest(self, request: CheckpointRequest) -> Answer:
        if inside(self.weather.wandb_down, self.clock()):
            return Answer(Lookup.UNAVAILABLE)
        if inside(self.weather.key_refused, self.clock()):
            return Answer(Lookup.REFUSED)
        return self.real.newest(request)


@dataclass(slots=True)
class _Waits:
    """Fulfils ports.Waits."""

    real: InMemorySchedules
    weather: Weather
    clock: Clock

    def schedule(self, job: str, times: int, due: int) -> None:
        self._may_fail()
        self.real.schedule(job, times, due)

    def is_reminder_set(self, job: str, verdict: str) -> bool:
        self._may_fail()
        return self.real.is_reminder_set(job, verdict)

    def remind(self, job: str, verdict: str, due: int) -> None:
        self._may_fail()
        self.real.remind(job, verdict, due)

    def _may_fail(self) -> None:
        if inside(self.weather.scheduler_down, self.clock()):
            raise Retry("CreateSchedule: ServiceUnavailable")


def ports(world: InMemoryWorld, weather: Weather, chance: Chance) -> World:
    """The world through its weather."""
    return World(
        jobs=_Jobs(world.sagemaker, weather, world.clock, chance),
        checkpoints=_Checkpoints(world.wandb, weather, world.clock),
        waits=_Waits(world.schedules, weather, world.clock),
        notifications=world.topic,
        switches=world.read,
        now=world.clock,
    )
