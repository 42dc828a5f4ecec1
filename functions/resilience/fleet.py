"""The fleet as SageMaker's Search shows it, and which failed jobs count for the breaker. Pure.

Whoever may create or tag training jobs can make one that bears `resilience:parent`. So a job counts
only where its name, its tags and its Environment agree, and where its parent names it as successor.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from resilience import environment, identity, tags
from resilience.decisions import CheckpointRequest, Verdict

_LINEAGE = {
    tags.ROOT: environment.ROOT,
    tags.PARENT: environment.PARENT,
    tags.ATTEMPT: environment.ATTEMPT,
}
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_FIRST_SUCCESSOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """A training job as Search shows it: with its tags, and as it was a moment ago."""

    name: str
    status: str
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    ended_at: int | None  # epoch seconds
    started: bool  # whether it ever had its instances


Pages = Iterator[tuple[SeenJob, ...]]  # of a search, each read when it is taken


class Allowlist(Protocol):
    def allows_project(self, request: CheckpointRequest) -> bool: ...


def is_invalid(job: SeenJob) -> bool:
    """Whether the job is opted in and its tags name no place that W&B could have: that stops."""
    return identity.opted_in(job.environment, job.tags) and _request(job) is None


def is_allowed(job: SeenJob, allowlist: Allowlist) -> bool:
    """Whether the job belongs to an allowed project, by what was fixed at its launch or by tags."""
    if not identity.opted_in(job.environment, job.tags):
        return False
    told = _request(job)
    places = (told, identity.pinned_project(job.environment, told))
    return any(place is not None and allowlist.allows_project(place) for place in places)


def _request(job: SeenJob) -> CheckpointRequest | None:
    try:
        return identity.checkpoint_request(job.name, job.environment, job.tags)
    except tags.UnreadableTagError:
        return None


def successors_by_their_launch(
    jobs: Iterable[SeenJob], allowlist: Allowlist, after: int
) -> dict[str, str]:
    """Name each job that began, ended since `after` and was launched as a successor; its parent.

    The end counts, not the last change: AddTags may be one (ADR 15).
    """
    return {
        job.name: parent
        for job in jobs
        if job.started and job.ended_at is not None and job.ended_at >= after
        if is_allowed(job, allowlist)
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
    if not identity.is_successor(job.name, job.environment):
        return None
    launched = {tag: job.environment.get(name) for tag, name in _LINEAGE.items()}
    if launched != {tag: job.tags.get(tag) for tag in _LINEAGE}:
        return None
    root, attempt = str(launched[tags.ROOT]), int(str(launched[tags.ATTEMPT]))
    first = attempt == _FIRST_SUCCESSOR
    parent = root if first else tags.successor_name(root, attempt - 1)
    return parent if launched[tags.PARENT] == parent else None
