"""The fleet as SageMaker's Search shows it, what a sweep may touch, and which deaths count. Pure.

Whoever may tag training jobs can have one look like ours. So a death counts for the breaker only
where the project was fixed at the launch, and is allowed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from resilience.decide import naming, work
from resilience.decide.breaker import SOON_SECONDS, Breaker, Trial
from resilience.decide.decisions import CheckpointRequest, Mode, Reason, Verdict
from resilience.ports import Queue
from resilience.wire import environment, identity, tags, words
from resilience.wire.switches import Switches

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
# A trial that has not begun by then has no answer: it waits for capacity, or for something else.
_TRIAL_BEGINS_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenJob:
    """A training job as Search shows it: with its tags, and as it was a moment ago."""

    name: str
    status: str
    tags: Mapping[str, str]
    environment: Mapping[str, str]
    started_at: int | None  # epoch seconds; None: it never had its instances
    ended_at: int | None
    described: Mapping[str, object]  # as DescribeTrainingJob would show it

    @property
    def started(self) -> bool:
        return self.started_at is not None

    def trained(self, now: int) -> int:
        """For how many seconds it has trained, or did."""
        if self.started_at is None:
            return 0
        ended = self.ended_at if self.status in _ENDED else None
        return max(0, (now if ended is None else ended) - self.started_at)


Pages = Iterator[tuple[SeenJob, ...]]  # of a search, each read when it is taken


class EndedJobs(Protocol):
    """What Search shows, eventually; newest first, page by page."""

    def opted_in(self, *, since: int) -> Pages:
        """Opted-in jobs that have ended and were changed since then (epoch seconds)."""
        ...

    def waiting(self) -> Pages:
        """Opted-in jobs whose verdict is WAIT."""
        ...

    def again(self) -> Pages:
        """Ended jobs of any age that bear `resilience:again`."""
        ...

    def failed(self, *, since: int) -> Pages:
        """Opted-in jobs that have failed and were changed since then (epoch seconds)."""
        ...

    def named(self, names: Sequence[str]) -> Iterator[SeenJob]:
        """Those of the named jobs that exist, read as they are taken."""
        ...


class StackSwitches(Protocol):
    """The stack's mode, which people set, and its breaker, which the sweep sets as well."""

    def read(self) -> Switches: ...

    def write(self, breaker: Breaker, *, instead_of: Breaker) -> bool:
        """Set the breaker, unless somebody else has in the meantime."""
        ...


class Alert(Protocol):
    def notify(self, subject: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that a sweep may touch."""

    jobs: EndedJobs
    queue: Queue
    switches: StackSwitches
    alert: Alert


class Allowlist(Protocol):
    def allows_project(self, request: CheckpointRequest) -> bool: ...


def is_invalid(job: SeenJob) -> bool:
    """Whether the job is opted in and its tags name no place that W&B could have: that stops."""
    return identity.opted_in(job.environment, job.tags) and _request(job) is None


def is_allowed(job: SeenJob, allowlist: Allowlist) -> bool:
    """Whether the job belongs to an allowed project, by what was fixed at its launch or by tags."""
    if not identity.opted_in(job.environment, job.tags):
        return False
    tagged = _request(job)
    places = (tagged, identity.pinned_project(job.environment, tagged))
    return any(place is not None and allowlist.allows_project(place) for place in places)


def acts(job: SeenJob) -> bool:
    """Whether a decision on the job would be recorded."""
    return tags.mode(job.tags, Mode.ACT) is Mode.ACT


def _request(job: SeenJob) -> CheckpointRequest | None:
    try:
        return identity.checkpoint_request(job.name, job.environment, job.tags)
    except words.UnreadableTagError:
        return None


def deaths(jobs: Iterable[SeenJob], allowlist: Allowlist, after: int) -> dict[str, dict[str, int]]:
    """For each cause the lineages that died of it soon after a start, and how soon.

    An attempt that trained for an hour paid for its successor, whatever it died of. The end counts,
    not the last change: AddTags may be one (ADR 15).
    """
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for job in jobs:
        if job.ended_at is None or job.ended_at < after or not _was_launched_in(allowlist, job):
            continue
        trained = job.trained(job.ended_at)
        if job.started and trained < SOON_SECONDS and (cause := work.cause(job.described)):
            found[cause].setdefault(_root(job), trained)
    return dict(found)


def _was_launched_in(allowlist: Allowlist, job: SeenJob) -> bool:
    """Whether its launch fixed a project, and that is allowed."""
    pinned = identity.pinned_project(job.environment, None)
    opted_in = identity.opted_in(job.environment, job.tags)
    return opted_in and pinned is not None and allowlist.allows_project(pinned)


def _root(job: SeenJob) -> str:
    """The lineage; one that dies again and again is one lineage."""
    successor = identity.is_successor(job.name, job.environment)
    return job.environment[environment.ROOT] if successor else job.name


def is_held_by_the_breaker(job: SeenJob, allowlist: Allowlist) -> bool:
    return (
        job.tags.get(tags.VERDICT) == Verdict.WAIT
        and job.tags.get(tags.REASON) == Reason.FLEET_BREAKER_OPEN
        and acts(job)
        and is_allowed(job, allowlist)
    )


def successor_of(job: SeenJob) -> str:
    """The name that the job's successor has or would have."""
    root, attempt = job.name, 1
    if identity.is_successor(job.name, job.environment):
        root, attempt = job.environment[environment.ROOT], int(job.environment[environment.ATTEMPT])
    roots = [root, naming.root_used_again(root, identity.created_at(job.described))]
    names = [naming.successor_name(one, attempt + 1) for one in roots]
    recorded = job.tags.get(tags.SUCCESSOR)
    return recorded if recorded in names else names[0]


def trial(probe: SeenJob | None, successor: SeenJob | None, breaker: Breaker, now: int) -> Trial:
    """What became of the one job that the breaker let through."""
    goes_on = {Verdict.WAIT, Verdict.RELAUNCH}
    if probe is None or probe.tags.get(tags.VERDICT, Verdict.WAIT) not in goes_on:
        return Trial.NO_ANSWER
    if successor is not None and successor.started:
        return _of_an_attempt(successor, breaker, now)
    ended = successor is not None and successor.status in _ENDED
    late = now - breaker.since >= _TRIAL_BEGINS_SECONDS
    return Trial.NO_ANSWER if ended or late else Trial.PENDING


def _of_an_attempt(successor: SeenJob, breaker: Breaker, now: int) -> Trial:
    """It works if it outlives the deaths, ends well, or committed work of its own."""
    outlives = successor.trained(now) > breaker.trial_seconds
    if outlives or _advanced(successor, breaker) or successor.status == "Completed":
        return Trial.WORKS
    if successor.status == "Stopped":
        return Trial.NO_ANSWER  # by a person, or by its own limit
    return Trial.DIED if successor.status == "Failed" else Trial.PENDING


def _advanced(successor: SeenJob, breaker: Breaker) -> bool:
    """Whether it came back although the breaker holds what dies so: only one that advanced does."""
    relaunched = successor.tags.get(tags.VERDICT) == Verdict.RELAUNCH
    return relaunched and breaker.holds(successor.name, work.cause(successor.described))
