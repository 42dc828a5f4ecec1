"""The fleet as SageMaker's Search shows it, and which failed jobs count for the breaker. Pure.

Whoever may create or tag training jobs can make one that bears `resilience:parent`. So a job counts
only where its name, its tags and its Environment agree, and where its parent names it as successor.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from resilience import tags
from resilience.decisions import CheckpointRequest, Verdict

# Entries of the Environment that the controller gives to each successor (docs/contract.md).
ROOT, PARENT, ATTEMPT = "RESILIENCE_ROOT", "RESILIENCE_PARENT", "RESILIENCE_ATTEMPT"
COLLECTION = "RESILIENCE_COLLECTION"
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_FIRST_SUCCESSOR = 2
_MOST_DIGITS = 6  # of an attempt's number
_PATH_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """A training job as Search shows it: with its tags, and as it was a moment ago."""

    name: str
    status: str
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    ended_at: int | None  # epoch seconds
    started: bool  # whether it ever had its instances


@dataclass(frozen=True, slots=True)
class Seen:
    """What a search found. `whole` is False where it had more pages than one sweep reads."""

    jobs: tuple[SeenJob, ...] = ()
    whole: bool = True


class Allowlist(Protocol):
    def allows_project(self, request: CheckpointRequest) -> bool: ...


def place_of(job: SeenJob) -> CheckpointRequest | None:
    """Where the job's checkpoints are: by its Environment, which nobody can change; else by tags.

    None where the job is not opted in, or where its tags name no place that W&B could have.
    """
    parts = job.environment.get(COLLECTION, "").split("/")
    if len(parts) == _PATH_PARTS:
        return CheckpointRequest(entity=parts[0], project=parts[1], collection=parts[2])
    try:
        return tags.checkpoint_request(job.tags) if tags.opted_in(job.tags) else None
    except tags.UnreadableTagError:
        return None


def successors_by_their_launch(
    jobs: Iterable[SeenJob], allowlist: Allowlist, after: int
) -> dict[str, str]:
    """Name each job that began, ended since `after` and was launched as a successor; its parent.

    The end counts, not the last change: AddTags may be one (docs/decisions/0015).
    """
    return {
        job.name: parent
        for job in jobs
        if job.started and job.ended_at is not None and job.ended_at >= after
        if (place := place_of(job)) is not None and allowlist.allows_project(place)
        if (parent := _parent_of(job)) is not None
    }


def confirmed(successors: Mapping[str, str], parents: Iterable[SeenJob]) -> Iterator[str]:
    """Name the successors whose parent has ended and was relaunched as this very job."""
    for job in parents:
        successor = job.tags.get(tags.SUCCESSOR, "")
        relaunched = job.status in _ENDED and job.tags.get(tags.VERDICT) == Verdict.RELAUNCH
        if relaunched and successors.get(successor) == job.name:
            yield successor


def _parent_of(job: SeenJob) -> str | None:
    """The parent's name, where name, tags and Environment tell of one; None where they do not."""
    environment, own = job.environment, job.tags
    root, attempt = environment.get(ROOT, ""), environment.get(ATTEMPT, "")
    if (own.get(tags.ROOT), own.get(tags.ATTEMPT)) != (root, attempt):
        return None
    if not (attempt.isascii() and attempt.isdigit() and len(attempt) <= _MOST_DIGITS):
        return None
    number = int(attempt)
    if number < _FIRST_SUCCESSOR or job.name != tags.successor_name(root, number):
        return None
    first = number == _FIRST_SUCCESSOR
    parent = root if first else tags.successor_name(root, number - 1)
    told = (own.get(tags.PARENT), environment.get(PARENT, parent))
    return parent if told == (parent, parent) else None
