"""Many jobs fail at once: the real intake on services in memory, `storm JOBS WORKERS SECONDS`.

Each job is told of twice, in random order, as SageMaker does. WORKERS take the messages, as that
many Lambda environments would; every remote call takes SECONDS of nobody's time. Prints one line
that begins with `bench `; every other line is the controller's own log.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Thread
from typing import Any

from bench.subjects.footprint import footprint
from local.in_memory import Clock, InMemoryWorld
from local.replaying import deployment
from local.replaying.described import described
from resilience.decisions import CheckpointRequest
from resilience.errors import Retry
from resilience.intake import Intake, take
from resilience.ports import World

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_COPIES, _WAVE_WIDTH, _VERSIONS = 2, 3, 10
_POLL_SECONDS = 0.005
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


@dataclass(slots=True)
class Tally:
    """`ages`: seconds that a message lay in the queue; `relaunched`: until the create was done."""

    ages: list[float] = field(default_factory=list)
    relaunched: list[float] = field(default_factory=list)
    retries: int = 0


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


def distant(world: World, seconds: float) -> World:
    """All that is remote at each message; the mode is cached for a minute."""
    return replace(
        world,
        jobs=Distant(world.jobs, seconds),
        checkpoints=Distant(world.checkpoints, seconds),
        waits=Distant(world.waits, seconds),
        notifications=Distant(world.notifications, seconds),
    )


def work(
    queue: "SimpleQueue[str | None]", world: InMemoryWorld, seconds: float, tally: Tally
) -> None:
    """Be one environment: a message at a time, and back with what must come again."""
    with ThreadPoolExecutor(_WAVE_WIDTH) as executor:
        intake = Intake(
            world=distant(world.ports(), seconds),
            dead_letters=world.dead_letters,
            settings=deployment.of(world, {}),
            executor=executor,
            account=world.account,
            region=world.region,
        )
        while (body := queue.get()) is not None:
            tally.ages.append(time.monotonic())
            try:
                outcome = take(body, intake)
            except Retry:
                tally.retries += 1
                queue.put(body)
                continue
            if getattr(outcome, "successor", None):
                tally.relaunched.append(time.monotonic())


def storm(world: InMemoryWorld, bodies: list[str], workers: int, seconds: float) -> Tally:
    """Have it over, from the first message to the end of the last."""
    queue: SimpleQueue[str | None] = SimpleQueue()
    for body in bodies:
        queue.put(body)
    tally = Tally()
    threads = [Thread(target=work, args=(queue, world, seconds, tally)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    # A message that comes again goes to the end of the queue: first let it become empty.
    while len(tally.ages) < len(bodies) + tally.retries:
        time.sleep(_POLL_SECONDS)
    for _ in threads:
        queue.put(None)
    for thread in threads:
        thread.join()
    return tally


def main(count: int, workers: int, seconds: float) -> None:
    world, bodies = failed(count)
    cpu, began = time.process_time(), time.monotonic()
    tally = storm(world, bodies, workers, seconds)
    ended, cpu = time.monotonic(), time.process_time() - cpu
    successors = [str(one["TrainingJobName"]) for one in world.sagemaker.requests]
    lineages = {name.rpartition("-r")[0] for name in successors}
    answer = {
        "messages": len(tally.ages),
        "successors": len(successors),
        "duplicates": len(successors) - len(lineages),
        "lost": count - len(lineages),
        "retries": tally.retries,
        "seconds": ended - began,
        "cpu": cpu,
        "ages": [age - began for age in tally.ages],
        "relaunched": [moment - began for moment in tally.relaunched],
        "process": footprint(),
    }
    print(f"bench {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
