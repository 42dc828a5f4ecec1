"""Scheduler, SNS and SQS, in memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from local.in_memory.clock import ACCOUNT, REGION
from resilience.adapters.messages import LEAD_SECONDS
from resilience.decide.decisions import Decision
from resilience.wire import events


@dataclass(slots=True)
class InMemorySchedules:
    """Fulfils ports.Waits."""

    now: Callable[[], int]
    due: dict[tuple[str, int | str], int] = field(default_factory=dict)  # by time or verdict
    account: str = ACCOUNT
    region: str = REGION

    def schedule(self, job: str, times: int, due: int) -> None:
        self.due.setdefault((job, times), max(due, self.now() + LEAD_SECONDS))

    def is_reminder_set(self, job: str, verdict: str) -> bool:
        return (job, verdict) in self.due

    def remind(self, job: str, verdict: str, due: int) -> None:
        self.due.setdefault((job, verdict), due)

    def fire(self, now: int) -> tuple[str, ...]:
        """Take out what is due; the messages that the queue gets for it."""
        fired = [key for key, due in self.due.items() if due <= now]
        for key in fired:
            del self.due[key]
        return tuple(
            events.check(job, source="resilience.wait", account=self.account, region=self.region)
            for job, _ in fired
        )


@dataclass(slots=True)
class InMemoryTopic:
    """Fulfils ports.Notifications and fleet.Alert."""

    published: list[Decision] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def publish(self, decision: Decision) -> None:
        self.published.append(decision)

    def notify(self, subject: str, text: str) -> None:
        self.told.append((subject, text))


@dataclass(slots=True)
class InMemoryQueue:
    """Fulfils ports.Queue."""

    bodies: list[str] = field(default_factory=list)
    account: str = ACCOUNT
    region: str = REGION

    def ask_to_check(self, jobs: Iterable[str]) -> None:
        self.bodies.extend(
            events.check(job, source="resilience.sweep", account=self.account, region=self.region)
            for job in jobs
        )


@dataclass(slots=True)
class InMemoryDeadLetters:
    """Fulfils ports.DeadLetters."""

    quarantined: list[tuple[str, str]] = field(default_factory=list)

    def quarantine(self, body: str, reason: str) -> None:
        self.quarantined.append((body, reason))
