"""Level-triggered: find ended jobs that events missed and put them on the one path that acts.

The sweep is also where the fleet is seen as one, and so where its breaker moves: many lineages that
die soon have one cause, and relaunching each of them is not its cure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from resilience.decide.breaker import Circuit
from resilience.decide.decisions import Mode
from resilience.fleet.breaker import FleetBreaker
from resilience.fleet.jobs import Fleet, SeenJob, acts, is_allowed, is_invalid
from resilience.ports import Queue
from resilience.settings import SweepSettings
from resilience.wire import tags, words

_OPTED_IN, _WAITING, _AGAIN = "opted_in", "waiting", "again"
# What one page and its messages may take; the sweep ends before its function is ended.
_RESERVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found, by name; an empty sweep is the good case."""

    without_verdict: tuple[str, ...]
    overdue: tuple[str, ...]
    breaker: Circuit = Circuit.CLOSED
    cut: tuple[str, ...] = ()  # the searches that had more pages than there was time for


def sweep(
    fleet: Fleet, settings: SweepSettings, now: int, seconds_left: Callable[[], float]
) -> Swept:
    """Find ended jobs without a verdict and waits that are overdue; ask to have them checked.

    The grace leaves a just-ended job to its event. Only "act" writes verdicts, so in the other
    modes a sweep would find the same jobs for ever, and asks nothing. Each page is sent before the
    next is read: a sweep that runs out of time has sent what it found, and the next one goes on.
    """
    switches = fleet.switches.read()
    if switches.mode is not Mode.ACT:
        return Swept((), (), switches.breaker.state)
    breaker, asking = FleetBreaker(fleet, settings, now), _Asking(fleet.queue, seconds_left)
    try:
        state = breaker.look(switches.breaker).state
    finally:  # what is left over does not wait for the breaker's services
        overdue, left_over = _ask_for_what_is_left_over(asking, fleet, settings, now)
    return Swept(left_over, overdue, state, (*breaker.cut, *asking.cut))


def _ask_for_what_is_left_over(
    asking: "_Asking", fleet: Fleet, settings: SweepSettings, now: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ask to have checked the waits that are overdue, and what has no verdict or is to get one."""
    before = now - settings.grace_seconds
    overdue = asking.ask(_WAITING, fleet.jobs.waiting(), lambda job: _is_overdue(job, before))
    again = asking.ask(_AGAIN, fleet.jobs.again(), lambda job: _is_asked_again(job, settings))
    unjudged = asking.ask(
        _OPTED_IN,
        fleet.jobs.opted_in(since=now - settings.lookback_seconds),
        lambda job: _is_due(job, settings, now),
    )
    return overdue, (*again, *unjudged)


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
    return acts(job) and (is_invalid(job) or is_allowed(job, settings))


def _is_overdue(job: SeenJob, before: int) -> bool:
    # Times in tags are of one fixed form in UTC, so their text sorts as they do.
    return acts(job) and job.tags.get(tags.DUE, "") <= words.stamp(before)
