"""Level-triggered: find ended jobs that events missed and put them on the one path that acts.

The sweep is also where the fleet is seen as one, and so where its breaker sits: many relaunched
jobs that fail in a short time have one cause, and relaunching each of them is not its cure.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Protocol

from resilience import tags
from resilience.decisions import Mode
from resilience.fleet import (
    Pages,
    SeenJob,
    confirmed,
    is_allowed,
    is_invalid,
    successors_by_their_launch,
)
from resilience.ports import Queue
from resilience.settings import SweepSettings

_RELAUNCHED, _OPTED_IN, _WAITING, _AGAIN = "relaunched", "opted_in", "waiting", "again"
# What one page and its messages may take; the sweep ends before its function is ended.
_RESERVE_SECONDS = 15.0
_MOST_PAGES_OF_THE_BREAKER = 20


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

    def relaunched(self, *, since: int) -> Pages:
        """Failed jobs that bear `resilience:parent` and were changed since then (epoch seconds)."""
        ...

    def named(self, names: Sequence[str]) -> Iterator[SeenJob]:
        """Those of the named jobs that exist, read as they are taken."""
        ...


class Switch(Protocol):
    """The stack's mode, which a person or the breaker sets."""

    def read(self) -> tuple[Mode, int]:
        """Read the mode and since when the switch stands (epoch seconds; 0: never set)."""
        ...

    def observe(self) -> None: ...


class Alert(Protocol):
    def tell(self, subject: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that a sweep may touch."""

    jobs: EndedJobs
    queue: Queue
    switch: Switch
    alert: Alert


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found, by name; an empty sweep is the good case."""

    without_verdict: tuple[str, ...]
    overdue: tuple[str, ...]
    breaker_tripped: bool = False
    cut: tuple[str, ...] = ()  # the searches that had more pages than there was time for


def sweep(
    fleet: Fleet, settings: SweepSettings, now: int, seconds_left: Callable[[], float]
) -> Swept:
    """Find ended jobs without a verdict and waits that are overdue; ask to have them checked.

    The grace leaves a just-ended job to its event. Only "act" writes verdicts, so in the other
    modes a sweep would find the same jobs for ever, and asks nothing. Each page is sent before the
    next is read: a sweep that runs out of time has sent what it found, and the next one goes on.
    """
    mode, since = fleet.switch.read()
    if mode is not Mode.ACT:
        return Swept((), ())
    relaunched = _relaunched(fleet, settings, since, now)
    if relaunched.breaker_tripped:
        return relaunched
    before = now - settings.grace_seconds
    asking = _Asking(fleet.queue, seconds_left)
    overdue = asking.ask(_WAITING, fleet.jobs.waiting(), lambda job: _is_overdue(job, before))
    again = asking.ask(_AGAIN, fleet.jobs.again(), lambda job: _is_asked_again(job, settings))
    unjudged = asking.ask(
        _OPTED_IN,
        fleet.jobs.opted_in(since=now - settings.lookback_seconds),
        lambda job: _is_due(job, settings, now),
    )
    return Swept((*again, *unjudged), overdue, cut=(*relaunched.cut, *asking.cut))


class _Asking:
    """Sends what is wanted of each page to the queue, as long as there is time."""

    def __init__(self, queue: Queue, seconds_left: Callable[[], float]) -> None:
        self._queue = queue
        self._seconds_left = seconds_left
        self.cut: tuple[str, ...] = ()

    def ask(
        self, search: str, pages: Iterable[Sequence[SeenJob]], wanted: Callable[[SeenJob], bool]
    ) -> tuple[str, ...]:
        found: list[str] = []
        for page in pages:
            names = tuple(job.name for job in page if wanted(job))
            self._queue.ask_to_check(names)
            found += names
            if self._seconds_left() < _RESERVE_SECONDS:
                self.cut = (*self.cut, search)
                break
        return tuple(found)


def _is_due(job: SeenJob, settings: SweepSettings, now: int) -> bool:
    """Whether the job ended in the window without a verdict, and would get one.

    The window is about the end. The last change is the service's own filter and no more: a tag that
    is added may move it, and would hide a job for ever or bring back one from years ago.
    """
    oldest, newest = now - settings.lookback_seconds, now - settings.grace_seconds
    if tags.VERDICT in job.tags or job.ended_at is None or not oldest <= job.ended_at <= newest:
        return False
    return _gets_a_verdict(job, settings)


def _is_asked_again(job: SeenJob, settings: SweepSettings) -> bool:
    """Whether a person asked to have the job decided on again, and nobody has answered."""
    return tags.again(job.tags) is not None and _gets_a_verdict(job, settings)


def _gets_a_verdict(job: SeenJob, settings: SweepSettings) -> bool:
    """Whether deciding on the job would record anything; if not, each sweep would find it again."""
    return _acts(job) and (is_invalid(job) or is_allowed(job, settings))


def _is_overdue(job: SeenJob, before: int) -> bool:
    # Times in tags are of one fixed form in UTC, so their text sorts as they do.
    return _acts(job) and job.tags.get(tags.DUE, "") <= tags.stamp(before)


def _acts(job: SeenJob) -> bool:
    return tags.mode(job.tags, Mode.ACT) is Mode.ACT


def _relaunched(fleet: Fleet, settings: SweepSettings, since: int, now: int) -> Swept:
    """Trip the breaker when too many relaunched jobs failed within the window.

    Only failures since the mode was last set count: a person who sets it back to "act" has looked
    at them. Parents are read only where the jobs by themselves would trip it.
    """
    after = max(since, now - settings.breaker_window_seconds)
    pages = fleet.jobs.relaunched(since=after)
    seen = chain.from_iterable(islice(pages, _MOST_PAGES_OF_THE_BREAKER))
    failed = successors_by_their_launch(seen, settings, after)
    cut = (_RELAUNCHED,) if next(pages, None) else ()
    unbroken = Swept((), (), cut=cut)
    if len(failed) < settings.breaker_failures:
        return unbroken
    parents = fleet.jobs.named(tuple(failed.values()))
    real = sum(1 for _ in islice(confirmed(failed, parents), settings.breaker_failures))
    if real < settings.breaker_failures:
        return unbroken
    _trip(fleet, settings, after)
    return replace(unbroken, breaker_tripped=True)


def _trip(fleet: Fleet, settings: SweepSettings, after: int) -> None:
    # Notified first: a crash between the two notifies again at the next sweep; the other way round
    # the stack would stand still and nobody know.
    fleet.alert.tell(
        "fleet breaker tripped: the controller only observes",
        f"{settings.breaker_failures} or more relaunched training jobs failed since"
        f" {tags.stamp(after)}."
        "\nThat is one cause, not many."
        "\nNothing is relaunched until somebody has looked: docs/runbook.md#fleet_breaker_tripped"
        f"\nreset: aws ssm put-parameter --overwrite --name {settings.mode_parameter} --value act",
    )
    fleet.switch.observe()
