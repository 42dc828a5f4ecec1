"""A training that goes wrong in a world in memory, and a controller that may die at any call."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from local.in_memory import Clock, InMemoryWorld
from local.replaying import deployment
from local.replaying.described import described
from resilience.controller import recover
from resilience.decide.decisions import CheckpointRequest, Decision, Lineage, Mode
from resilience.errors import Retry
from resilience.fleet.sweeping import sweep
from resilience.ports import World
from resilience.settings import SweepSettings
from resilience.wire import environment as environments
from resilience.wire import events, identity
from resilience.wire import tags as tag_names
from resilience.wire.events import Hint, NotForUs

NIGHT = 1_769_828_400  # 2026-01-31T03:00:00Z
JOB, SUCCESSOR = "night-1", "night-1-r2"
TAGS = {
    "WANDB_ENTITY": "example-team",
    "WANDB_PROJECT": "vision",
    "WANDB_CHECKPOINT_NAME": "model-night-1",
    "WANDB_RUN_ID": "night-1",
    "resilience:completed": "no",
}
WANDB = CheckpointRequest(
    entity="example-team",
    project="vision",
    collection="model-night-1",
    runs=("night-1", "night-1-algo-1", "night-1-checkpoints", "night-1-algo-1-checkpoints"),
)
TOKEN = hashlib.sha256(b"night-1").hexdigest()[:32]
PROOF = hashlib.sha256(TOKEN.encode()).hexdigest()
# What the launcher fixed.
ENVIRONMENT = {
    "WANDB_ENTITY": "example-team",
    "WANDB_PROJECT": "vision",
    "WANDB_RUN_ID": "night-1",
    "RESILIENCE_COLLECTION": WANDB.path,
    "RESILIENCE_COMPLETION_TOKEN": TOKEN,
}
GPU = 'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CUDA error: uncorrectable ECC error"'
BUG = 'AlgorithmError: ExecuteUserScriptError: ErrorMessage "IndexError: list index out of range"'
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."
OUT_OF_MEMORY = "ClientError: Please use an instance type with more memory"
ROLE_REFUSED = (
    "ClientError: Please ensure that the role exists and that its trust relationship policy allows"
    " the action sts:AssumeRole for the service principal sagemaker.amazonaws.com"
)
SWEEP = SweepSettings(
    mode=Mode.ACT,
    mode_parameter="/resilience/mode",
    breaker_parameter="/resilience/breaker",
    allowed_projects=("example-team/*",),
    queue_url="https://sqs.invalid/queue",
    grace_seconds=180,
    lookback_seconds=172_800,
    topic_arn="arn:aws:sns:us-east-1:123456789012:topic",
    breaker_failures=25,
    breaker_window_seconds=900,
)
Call = tuple[str, int]  # a port's method, and the how manieth call of it


class Crash(BaseException):
    """The process is gone: nothing catches this."""


@dataclass(frozen=True)
class Death:
    """Where the process dies: at which call, before its effect or after it."""

    call: Call
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.call[0]} {self.call[1]}"


@dataclass
class Watched:
    """Ports whose calls are counted, and that kill the process where they are told to."""

    world: InMemoryWorld
    death: Death | None = None
    made: list[Call] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ports(self) -> World:
        real = self.world.ports()
        return replace(
            real,
            jobs=_Watching(real.jobs, self),
            checkpoints=_Watching(real.checkpoints, self),
            waits=_Watching(real.waits, self),
            notifications=_Watching(real.notifications, self),
        )

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: object, **named: object) -> object:
            this = self._count(name)
            if self.death == Death(this, after=False):
                raise Crash(this)
            try:
                return call(*arguments, **named)
            finally:
                if self.death == Death(this, after=True):
                    raise Crash(this)

        return watched

    def _count(self, name: str) -> Call:
        with self._lock:
            self._counts[name] += 1
            self.made.append((name, self._counts[name]))
            return self.made[-1]


class _Watching:
    """Any port, its calls watched."""

    def __init__(self, port: object, watched: Watched) -> None:
        self._port = port
        self._watched = watched

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the port has
        call = getattr(self._port, name)
        return call if name == "request_shape" else self._watched.around(name, call)


def trained(
    tags: Mapping[str, str] = TAGS, environment: Mapping[str, str] = ENVIRONMENT
) -> InMemoryWorld:
    """A world with one training job that trains and has saved twice."""
    world = InMemoryWorld(Clock(NIGHT - 3600))
    world.wandb.have_project(WANDB.entity, WANDB.project)
    for step in (100, 200):
        world.wandb.commit(WANDB, step=step, run="night-1")
    running = {
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "Environment": dict(environment),
    }
    job = described(running, account=world.account, region=world.region)
    world.sagemaker.put(JOB, job, tags)
    world.sagemaker.begin(JOB)
    world.clock.pass_by(3600)
    return world


def failed(
    reason: str = GPU,
    tags: Mapping[str, str] = TAGS,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> InMemoryWorld:
    """The same, and the job has failed."""
    world = trained(tags, environment)
    world.sagemaker.end(JOB, "Failed", "Failed", reason)
    return world


def never_started(
    reason: str = CAPACITY,
    tags: Mapping[str, str] = TAGS,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> InMemoryWorld:
    """A world with one job that has failed before it ever trained."""
    world = InMemoryWorld(Clock(NIGHT))
    world.wandb.have_project(WANDB.entity, WANDB.project)
    starting = {
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "Environment": dict(environment),
    }
    job = described(starting, account=world.account, region=world.region)
    world.sagemaker.put(JOB, job, tags)
    world.sagemaker.end(JOB, "Failed", "Failed", reason)
    return world


def dies(world: InMemoryWorld, job: str, reason: str = GPU, *, after: int = 600) -> None:
    """Have a job that was created train for a while, and fail."""
    world.sagemaker.begin(job)
    world.clock.pass_by(after)
    world.sagemaker.end(job, "Failed", "Failed", reason)


def forgotten(world: InMemoryWorld, job: str = JOB) -> None:
    """Have no verdict on the job, as if it had never been written."""
    found, own = world.sagemaker.describe(job), world.sagemaker.tags(job)
    assert found is not None
    kept = {key: value for key, value in (own or {}).items() if key not in tag_names.OF_THE_DECIDED}
    world.sagemaker.put(job, found.described, kept)


def hint(job: str = JOB) -> Hint:
    return Hint(job=job, source="resilience.sweep", event_id="a-check")


def event(tags: Mapping[str, str] | None = TAGS) -> Hint:
    """What SageMaker says of the job, with the tags that it had then."""
    return Hint(job=JOB, source="aws.sagemaker", event_id="an-event", status="Failed", tags=tags)


def hint_of(body: str, world: InMemoryWorld) -> Hint:
    parsed = events.parse(body, account=world.account, region=world.region)
    assert isinstance(parsed, Hint)
    return parsed


def deliver(
    world: InMemoryWorld, told: Hint | None = None, ports: World | None = None
) -> Decision | NotForUs:
    """One message, taken up once."""
    with ThreadPoolExecutor(3) as executor:
        return recover(told or hint(), ports or world.ports(), deployment.of(world, {}), executor)


def decide(world: InMemoryWorld, told: Hint | None = None, ports: World | None = None) -> Decision:
    outcome = deliver(world, told, ports)
    assert isinstance(outcome, Decision)
    return outcome


def deliver_until_quiet(world: InMemoryWorld, told: Hint | None = None) -> Decision | NotForUs:
    """The queue brings the message again until it is taken."""
    for _ in range(5):
        try:
            return deliver(world, told)
        except Retry:
            continue
    raise AssertionError("the message would have gone to the dead letters")


@contextmanager
def dying(world: InMemoryWorld, death: Death) -> Iterator[World]:
    """Ports at one of whose calls the process dies, and the death itself."""
    try:
        yield Watched(world, death).ports()
    except Crash:
        return
    raise AssertionError(f"nobody died {death}")


def lineage_of(world: InMemoryWorld, job: str) -> Lineage:
    found = world.sagemaker.describe(job)
    assert found is not None
    own = world.sagemaker.tags(job) or {}
    return identity.lineage(job, environments.read(found.described), own)


def time_passes(world: InMemoryWorld, seconds: int) -> None:
    """So much later: what was scheduled has come, a sweep has run, and all of it is taken up."""
    world.clock.pass_by(seconds)
    bodies = world.schedules.fire(world.clock())
    sweep(world.fleet(), SWEEP, world.clock(), lambda: 60.0)
    asked, world.queue.bodies = world.queue.bodies, []
    for body in (*bodies, *asked):
        deliver_until_quiet(world, hint_of(body, world))


def verdict_of(world: InMemoryWorld, job: str = JOB) -> str | None:
    return (world.sagemaker.tags(job) or {}).get(tag_names.VERDICT)


def untouched(world: InMemoryWorld) -> bool:
    """Nothing was created, tagged, told or scheduled."""
    return (
        world.sagemaker.requests == []
        and verdict_of(world) is None
        and world.topic.published == []
        and world.schedules.due == {}
    )


def take_up_the_waits(world: InMemoryWorld, most: int = 50) -> list[Decision]:
    """Let time pass until no schedule is left, or so often; what was decided each time."""
    decisions: list[Decision] = []
    while world.schedules.due and len(decisions) < most:
        world.clock.now = max(world.clock(), min(world.schedules.due.values()))
        fired = world.schedules.fire(world.clock())
        decisions.extend(decide(world, hint_of(body, world)) for body in fired)
    return decisions


def described_job(world: InMemoryWorld) -> dict[str, object]:
    job = world.sagemaker.describe(JOB)
    assert job is not None
    return dict(job.described)
