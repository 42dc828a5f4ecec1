"""Level-triggered: find ended jobs that events missed and put them on the one path that acts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from resilience.decisions import Mode
from resilience.ports import Queue
from resilience.settings import SweepSettings
from resilience.tags import stamp


class EndedJobs(Protocol):
    def unjudged(self, *, after: int, before: int) -> Iterator[str]: ...

    def waiting(self) -> Iterator[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found, by name; an empty sweep is the good case."""

    without_verdict: tuple[str, ...]
    overdue: tuple[str, ...]


def sweep(jobs: EndedJobs, queue: Queue, settings: SweepSettings, mode: Mode, now: int) -> Swept:
    """Find ended jobs without a verdict and waits that are overdue; ask to have them checked.

    The grace leaves a just-ended job to its event. Only "act" writes verdicts, so in the other
    modes a sweep would find the same jobs for ever, and asks nothing.
    """
    if mode is not Mode.ACT:
        return Swept((), ())
    before = now - settings.grace_seconds
    unjudged = tuple(jobs.unjudged(after=now - settings.lookback_seconds, before=before))
    # Times in tags are of one fixed form in UTC, so their text sorts as they do.
    overdue = tuple(name for name, due in jobs.waiting() if due <= stamp(before))
    queue.ask_to_check((*unjudged, *overdue))
    return Swept(unjudged, overdue)
