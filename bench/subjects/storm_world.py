"""A world in memory, far away and under load: many failed jobs, round trips, a throttle."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

from local.in_memory import Clock, InMemoryWorld
from local.replaying.described import described
from resilience.decide.decisions import CheckpointRequest
from resilience.errors import CreateRefused
from resilience.ports import TrainingJobs, World
from resilience.relaunch import Request

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_COPIES, _VERSIONS = 2, 10
_ENTITY, _PROJECT = "example-team", "vision"


class Distant:
    """A port whose every call takes a round trip."""

    def __init__(self, port: object, seconds: float) -> None:
        self._port = port
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the port has
        call: Callable[..., Any] = getattr(self._port, name)
        return call if name == "request_shape" else self._far(call)

    def _far(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def from_afar(*arguments: object, **named: object) -> object:
            time.sleep(self._seconds)
            return call(*arguments, **named)

        return from_afar


class Throttling:
    """SageMaker's training jobs, of which only so many can be created in a second."""

    def __init__(self, jobs: TrainingJobs, clock: Clock, rate: float) -> None:
        self._jobs = jobs
        self._clock = clock
        self._rate = rate
        self._lock = Lock()
        self._next = 0.0
        self.refused = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the port has
        return getattr(self._jobs, name)

    def create(self, request: Request) -> None:
        with self._lock:
            # The clock stands still but for its leaps; between them real time passes.
            now = self._clock.now + time.monotonic()
            if self._rate and now < self._next:
                self.refused += 1
                raise CreateRefused("ThrottlingException", "Rate exceeded")
            self._next = max(self._next, now - 1) + (1 / self._rate if self._rate else 0)
        self._jobs.create(request)


def distant(world: World, jobs: TrainingJobs, seconds: float) -> World:
    """All that is remote at each message; the mode is cached for a minute."""
    return replace(
        world,
        jobs=Distant(jobs, seconds),
        checkpoints=Distant(world.checkpoints, seconds),
        waits=Distant(world.waits, seconds),
        notifications=Distant(world.notifications, seconds),
    )


def failed(count: int) -> tuple[InMemoryWorld, list[str]]:
    """Have a world with that many failed jobs, each with checkpoints; the messages about them."""
    world = InMemoryWorld(Clock(int(time.time())))
    bodies = []
    for number in range(count):
        name = f"storm-{number}"
        request = CheckpointRequest(entity=_ENTITY, project=_PROJECT, collection=f"model-{name}")
        for version in range(_VERSIONS):
            world.wandb.commit(request, step=100 * (version + 1), run=name)
        detail = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training"}
        tags = {
            "WANDB_ENTITY": _ENTITY,
            "WANDB_PROJECT": _PROJECT,
            "WANDB_CHECKPOINT_NAME": request.collection,
            "WANDB_RUN_ID": name,
            "resilience:completed": "no",
        }
        job = described(detail, account=world.account, region=world.region)
        world.sagemaker.put(name, job, tags)
        world.sagemaker.end(name, "Failed", "Failed", INTERNAL)
        bodies += [_event(world, name, tags, copy) for copy in range(_COPIES)]
    random.Random(count).shuffle(bodies)  # noqa: S311 — an order, the same each time
    return world, bodies


def _event(world: InMemoryWorld, name: str, tags: dict[str, str], copy: int) -> str:
    detail = {
        "TrainingJobName": name,
        "TrainingJobArn": world.sagemaker.arn(name),
        "TrainingJobStatus": "Failed",
        "Tags": tags,
    }
    envelope = {
        "id": f"event-{copy}-of-{name}",
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": world.account,
        "region": world.region,
        "detail": detail,
    }
    return json.dumps(envelope)
