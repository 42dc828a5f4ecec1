"""Level-triggered: find ended jobs that events missed and put them on the one path that acts.

The sweep is also where the fleet is seen as one, and so where its breaker sits: many relaunched
jobs that fail in a short time have one cause, and relaunching each of them is not its cure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from resilience import tags
from resilience.decisions import Mode
from resilience.ports import Queue
from resilience.settings import SweepSettings


class EndedJobs(Protocol):
    def unjudged(self, *, after: int, before: int) -> Iterator[tuple[str, dict[str, str]]]: ...

    def waiting(self) -> Iterator[tuple[str, str]]: ...

    def failed_successors(self, *, after: int) -> Iterator[str]: ...


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


def sweep(fleet: Fleet, settings: SweepSettings, now: int) -> Swept:
    """Find ended jobs without a verdict and waits that are overdue; ask to have them checked.

    The grace leaves a just-ended job to its event. Only "act" writes verdicts, so in the other
    modes a sweep would find the same jobs for ever, and asks nothing.
    """
    mode, since = fleet.switch.read()
    if mode is not Mode.ACT:
        return Swept((), ())
    if _breaks(fleet, settings, since, now):
        return Swept((), (), breaker_tripped=True)
    before = now - settings.grace_seconds
    found = fleet.jobs.unjudged(after=now - settings.lookback_seconds, before=before)
    unjudged = tuple(name for name, own in found if _gets_a_verdict(own, settings))
    # Times in tags are of one fixed form in UTC, so their text sorts as they do.
    overdue = tuple(name for name, due in fleet.jobs.waiting() if due <= tags.stamp(before))
    fleet.queue.ask_to_check((*unjudged, *overdue))
    return Swept(unjudged, overdue)


def _gets_a_verdict(own: Mapping[str, str], settings: SweepSettings) -> bool:
    """Whether judging the job would record anything; if not, each sweep would find it again."""
    if tags.mode(own, Mode.ACT) is not Mode.ACT or not tags.opted_in(own):
        return False
    try:
        return settings.allows_project(tags.checkpoint_request(own, ()))
    except tags.UnreadableTagError:
        return True  # it stops, and a person is notified


def _breaks(fleet: Fleet, settings: SweepSettings, since: int, now: int) -> bool:
    """Trip the breaker when too many relaunched jobs failed within the window.

    Only failures since the mode was last set count: a person who sets it back to "act" has looked
    at them.
    """
    after = max(since, now - settings.breaker_window_seconds)
    most = settings.breaker_failures
    failed = sum(1 for _ in islice(fleet.jobs.failed_successors(after=after), most))
    if failed < most:
        return False
    # Told first: a crash between the two tells again at the next sweep; the other way round the
    # stack would stand still and nobody know.
    fleet.alert.tell(
        "fleet breaker tripped: the controller only observes",
        f"{failed} or more relaunched training jobs failed since {tags.stamp(after)}."
        "\nThat is one cause, not many."
        "\nNothing is relaunched until somebody has looked: docs/runbook.md#fleet_breaker_tripped"
        f"\nreset: aws ssm put-parameter --overwrite --name {settings.mode_parameter} --value act",
    )
    fleet.switch.observe()
    return True
