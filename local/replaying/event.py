"""One message through the controller's own way, in a world built around it."""

import io
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime
from logging import StreamHandler

from local.in_memory import ACCOUNT, REGION, Clock, InMemoryWorld
from local.replaying import deployment
from local.replaying.described import described, launched_with
from local.replaying.surroundings import ASSUMED_NOW, Message, Surroundings, Version
from resilience import telemetry
from resilience.decide.decisions import Checkpoint, Decision, Lookup
from resilience.decide.stores import parse
from resilience.errors import CreateRefused
from resilience.intake import Intake, take
from resilience.wire import events, switches
from resilience.wire.events import Hint, NotForUs
from resilience.wire.tags import checkpoint_request, opted_in
from resilience.wire.words import UnreadableTagError

_SECONDS_TO_NOTICE = 5


@dataclass(frozen=True)
class Replayed:
    """What became of a message: the outcome, the lines it was logged in, the world afterwards."""

    outcome: Decision | NotForUs
    lines: tuple[str, ...]
    world: InMemoryWorld

    @property
    def canonical_line(self) -> str:
        """The one line per message; the others are metrics."""
        return next(line for line in self.lines if "_aws" not in json.loads(line))


def replay(
    message: Message,
    environment: Mapping[str, str],
    *,
    account: str = ACCOUNT,
    region: str = REGION,
) -> Replayed:
    """Take the message as the function would; `environment` may set what the template sets."""
    world = _world(message, account, region)
    with ThreadPoolExecutor(3) as executor, captured() as printed:
        intake = Intake(
            world=world.ports(),
            dead_letters=world.dead_letters,
            settings=deployment.of(world, environment),
            executor=executor,
            account=account,
            region=region,
        )
        outcome = take(message.body, intake)
    return Replayed(outcome, tuple(printed.getvalue().splitlines()), world)


@contextmanager
def captured() -> Iterator[io.StringIO]:
    """Have what the function prints in a buffer: its metrics, and its log's own stream."""
    handler = telemetry.logger.registered_handler
    if not isinstance(handler, StreamHandler):
        raise TypeError("the log is expected to go to a stream")
    own, buffer = handler.stream, io.StringIO()
    handler.stream = buffer
    try:
        with redirect_stdout(buffer):
            yield buffer
    finally:
        handler.stream = own


def _world(message: Message, account: str, region: str) -> InMemoryWorld:
    told = message.surroundings
    now = _now(message)
    breaker = switches.breaker_of(told.breaker, written=now)
    world = InMemoryWorld(Clock(now), told.mode, account, region, breaker)
    hint = events.parse(message.body, account=account, region=region)
    if isinstance(hint, Hint) and told.job_exists:
        job = described(message.detail, account=account, region=region)
        born = {"Environment": launched_with(message.tags)}
        world.sagemaker.put(hint.job, born | job, message.tags)
        world.logs.refused = told.log is None
        world.logs.write(hint.job, *(told.log or ()))
    for name, tags in told.others.items():
        created = _creation(world, tags.get("resilience:parent"))
        running = {
            "TrainingJobStatus": "InProgress",
            "Environment": launched_with(tags, parent_created=created),
        }
        world.sagemaker.put(name, running, tags)
    if told.create_refused is not None:
        refused = told.create_refused
        world.sagemaker.refuse_create(CreateRefused(refused.code, refused.text))
    _fill_wandb(world, message)
    return world


def _creation(world: InMemoryWorld, name: str | None) -> object:
    job = world.sagemaker.describe(name) if name else None
    return job.described["CreationTime"] if job else None


def _fill_wandb(world: InMemoryWorld, message: Message) -> None:
    told, tags = message.surroundings, message.tags
    world.wandb.lookup = Lookup(told.wandb)
    try:
        request = checkpoint_request(tags, ()) if opted_in(tags) else None
    except UnreadableTagError:
        return
    if request is None or not told.project_exists:
        return
    run = tags.get("WANDB_RUN_ID") or request.collection.removeprefix("model-")
    for version in _versions(told, run):
        world.wandb.add(request, version)
    for collection in told.elsewhere:
        world.wandb.commit(replace(request, collection=collection), step=100, run=run)
    world.wandb.have_project(request.entity, request.project)
    world.wandb.beat(request, run, told.heartbeat_at)


def _versions(told: Surroundings, run: str) -> Iterator[Checkpoint]:
    uploading = (Version(None, committed=False) for _ in range(told.pending))
    newest = len(told.checkpoints) - 1
    for number, version in enumerate((*told.checkpoints, *uploading)):
        aliases = ("latest",) if number == newest else ()
        yield Checkpoint(
            version=f"v{number}",
            step=version.step,
            digest=f"digest-of-v{number}",
            run=version.run or run,
            committed=version.committed,
            aliases=(*version.aliases, *aliases, f"v{number}"),
            job=version.job,
            store=None if version.store is None else parse(version.store),
        )


def _now(message: Message) -> int:
    if message.surroundings.observed_at is not None:
        return message.surroundings.observed_at
    try:
        told = datetime.fromisoformat(str(message.envelope.get("time")))
    except ValueError:
        return ASSUMED_NOW
    return int(told.timestamp()) + _SECONDS_TO_NOTICE
