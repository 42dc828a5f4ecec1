"""What a message alone cannot tell: the job as Describe would show it, its tags, its checkpoints.

The message's own detail says what it can. The rest is assumed, unless a file of the same name in
`worlds/` beside the message says otherwise; its members are those of `Surroundings`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from resilience.decide.decisions import Mode
from resilience.wire.tags import read

# 2026-01-31T03:00:00Z: at night, as in the story.
ASSUMED_NOW = 1_769_828_400


class ReplayError(Exception):
    """The replay cannot be done; the message says what to do."""


@dataclass(frozen=True)
class Version:
    """A version of the collection; where a member is None, it is as the others of its lineage."""

    step: int | None
    run: str | None = None
    aliases: tuple[str, ...] = ()
    committed: bool = True
    job: str | None = None  # the training job that its metadata names
    store: str | None = None  # where its metadata says that its bytes lie; None: in W&B


@dataclass(frozen=True)
class Refusal:
    """How CreateTrainingJob answers; the text is the service's."""

    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The world around a message.

    `detail` goes over the message's own; `tags` are what ListTags shows (None: the message's own);
    `wandb` is how W&B answers; `observed_at` is in epoch seconds (None: soon after the message);
    `heartbeat_at`, in epoch seconds, is when a client last wrote to the lineage's run (None: it has
    ended); `pending` is how many versions that run is still uploading; `elsewhere` are other
    collections in which it has a checkpoint; `others` are other jobs of the account, each with its
    tags; `breaker` is the fleet breaker's parameter as text; `log` is the end of the job's own log,
    line by line (None: the account refuses to show it).
    """

    detail: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] | None = None
    checkpoints: tuple[Version, ...] = tuple(Version(step) for step in (100, 200, 300, 400))
    pending: int = 0
    wandb: Literal["found", "unavailable", "refused"] = "found"
    project_exists: bool = True
    heartbeat_at: int | None = None
    elsewhere: tuple[str, ...] = ()
    job_exists: bool = True
    mode: Mode = Mode.ACT
    observed_at: int | None = None
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    create_refused: Refusal | None = None
    breaker: str = "closed"
    log: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Message:
    """A queue message's body, with the world it comes into."""

    name: str
    body: str
    surroundings: Surroundings
    assumed: bool  # there is no file that tells of the world

    @property
    def envelope(self) -> Mapping[str, object]:
        """What the body says, as far as it can be read at all."""
        try:
            envelope = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return envelope if isinstance(envelope, dict) else {}

    @property
    def detail(self) -> dict[str, object]:
        own = self.envelope.get("detail")
        return {**(own if isinstance(own, dict) else {}), **self.surroundings.detail}

    @property
    def tags(self) -> dict[str, str]:
        if self.surroundings.tags is not None:
            return dict(self.surroundings.tags)
        return read(self.detail.get("Tags")) or {}


def load(path: Path) -> Message:
    """Read a message and the file that tells of its world; raises ReplayError."""
    try:
        # As SQS carries it: an event's lone surrogates and line ends are none of our business.
        body = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: {_cause(error)}; name a file such as events/*.json") from error
    beside = path.parent / "worlds" / path.name
    if not beside.exists():
        return Message(path.name, body, Surroundings(), assumed=True)
    return Message(path.name, body, _surroundings(beside), assumed=False)


def _surroundings(path: Path) -> Surroundings:
    try:
        told: Surroundings = TypeAdapter(Surroundings).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReplayError(f"{path}: {where}: {first['msg']}") from error
    return told


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not UTF-8"
