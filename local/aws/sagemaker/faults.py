"""Misfortunes to order: what the admin path arms, and what the service asks about."""

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any

# These fall on a job that runs, at once.
ON_RUNNING = frozenset({"gpu", "oom", "spot", "sigterm", "repair"})
# These fall on one host of such a job.
ON_ONE_HOST = frozenset({"host-lost", "host-frozen", "host-slow"})
# These wait for a call or an event that matches.
ARMED = frozenset(
    {
        "capacity",
        "pending",
        "create_throttle",
        "create_quota",
        "create_lost",
        "describe_stale",
        "throttle",
        "slow",
        "drop_events",
        "duplicate_events",
    }
)


@dataclass(frozen=True)
class Fault:
    """`left`: how often it still happens, None for always; `value`: seconds, copies or resume."""

    kind: str
    job: str = "*"
    left: int | None = None
    reason: str = ""
    operation: str = "*"
    value: float = 0

    def hits(self, kind: str, job: str, operation: str) -> bool:
        return (
            self.kind == kind
            and self.left != 0
            and fnmatchcase(job, self.job)
            and fnmatchcase(operation, self.operation)
        )


@dataclass(frozen=True)
class Faults:
    armed: list[Fault] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def arm(self, fault: Fault) -> None:
        with self.lock:
            self.armed.append(fault)

    def clear(self) -> None:
        with self.lock:
            self.armed.clear()

    def take(self, kind: str, job: str, operation: str = "*") -> Fault | None:
        """Return the oldest fault that applies, and count it as having happened."""
        with self.lock:
            for index, fault in enumerate(self.armed):
                if fault.hits(kind, job, operation):
                    if fault.left is not None:
                        self.armed[index] = replace(fault, left=fault.left - 1)
                    return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        with self.lock:
            return [vars(fault) for fault in self.armed if fault.left != 0]
