"""The sweep's part of the fleet breaker: count deaths, try one job, notify, write the state."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from resilience.decide import breaker as circuit
from resilience.decide.breaker import Breaker, Circuit, Trial
from resilience.fleet.jobs import (
    Fleet,
    Pages,
    SeenJob,
    deaths,
    is_held_by_the_breaker,
    successor_of,
    trial,
)
from resilience.settings import SweepSettings
from resilience.wire import words

FAILED, HELD = "failed", "held"
_MOST_PAGES = 20


@dataclass(slots=True)
class FleetBreaker:
    """One sweep's look at it."""

    fleet: Fleet
    settings: SweepSettings
    now: int
    cut: tuple[str, ...] = ()  # the searches that had more pages than are read

    def look(self, before: Breaker) -> Breaker:
        """Move the breaker on, and ask to have the job checked that it lets through."""
        after = self._moved(before)
        is_mail_due = circuit.is_mail_due(before, after, self.now)
        if is_mail_due:
            after = replace(after, mailed=0)
        if (is_mail_due or after != before) and not self._write(after, before):
            return before  # somebody set it in the meantime; the next sweep looks at that
        if is_mail_due:
            self._notify(after)
        if after.state is Circuit.HALF_OPEN:
            self._ask_for(after.probe)
        return after

    def _write(self, after: Breaker, before: Breaker) -> bool:
        return self.fleet.switches.write(after, instead_of=before)

    def _moved(self, before: Breaker) -> Breaker:
        counted = circuit.counted(
            before, self._deaths(before), self.settings.breaker_failures, self.now
        )
        if counted != before:
            return counted
        if circuit.is_due(before, self.now):
            return circuit.let_one_through(before, self._held(), self.now)
        if before.state is Circuit.HALF_OPEN:
            outcome = self._trial(before)
            held = self._held() if outcome is Trial.NO_ANSWER else ()
            return circuit.answered(before, outcome, held, self.now)
        return before

    def _deaths(self, before: Breaker) -> dict[str, list[int]]:
        """By cause; what died before the breaker closed does not count again."""
        if not circuit.may_trip(before):
            return {}
        after = self.now - self.settings.breaker_window_seconds
        if before.state is Circuit.CLOSED:
            after = max(after, before.since)
        jobs = self._read(FAILED, self.fleet.jobs.failed(since=after))
        by_cause = deaths(jobs, self.settings, after)
        return {cause: list(lineages.values()) for cause, lineages in by_cause.items()}

    def _held(self) -> list[str]:
        jobs = self._read(HELD, self.fleet.jobs.waiting())
        return [job.name for job in jobs if is_held_by_the_breaker(job, self.settings)]

    def _trial(self, before: Breaker) -> Trial:
        probe = self._named(before.probe) if before.probe else None
        successor = self._named(successor_of(probe)) if probe else None
        return trial(probe, successor, before, self.now)

    def _named(self, name: str) -> SeenJob | None:
        return next(self.fleet.jobs.named((name,)), None)

    def _read(self, search: str, pages: Pages) -> Iterator[SeenJob]:
        yield from chain.from_iterable(islice(pages, _MOST_PAGES))
        if next(pages, None):
            self.cut = (*self.cut, search)

    def _ask_for(self, probe: str) -> None:
        """Have the job that is let through decided on, until its verdict says so."""
        job = self._named(probe)
        if job is not None and is_held_by_the_breaker(job, self.settings):
            self.fleet.queue.ask_to_check((probe,))

    def _notify(self, after: Breaker) -> None:
        """Notify of a state that is written, and then write that people were notified.

        A crash between the two notifies twice rather than never. A state that cannot be written
        holds nothing, and would be mailed by each sweep.
        """
        self.fleet.alert.notify(
            "fleet breaker open: relaunches wait",
            f"cause: {after.cause or 'set by a person'}"
            f"\nopen since: {words.stamp(after.since)}"
            f"\n{_whom(after)} One job is tried each hour. When its successor trains for"
            f" {after.trial_seconds} s, the breaker closes and the others go on by themselves."
            "\nlook: docs/runbook.md#fleet_breaker_open"
            "\nclose it now: aws ssm put-parameter --overwrite --type String"
            f" --name {self.settings.breaker_parameter} --value closed",
        )
        self._write(replace(after, mailed=self.now), after)


def _whom(after: Breaker) -> str:
    if circuit.strikes_all(after.cause):
        return "Jobs that committed no new checkpoint wait, whatever they died of."
    return "Jobs that died of this cause, and committed no new checkpoint, wait."
