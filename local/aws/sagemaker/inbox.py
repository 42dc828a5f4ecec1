"""What can happen to a job while it runs; its thread takes these one at a time."""

from dataclasses import dataclass
from queue import SimpleQueue


@dataclass(frozen=True)
class Exited:
    """The container ended: its exit code, or why it never started."""

    code: int
    not_started: str | None = None


@dataclass(frozen=True)
class StopRequested:
    pass


@dataclass(frozen=True)
class Killed:
    """The machine took the container away: `reason` is the failure that AWS would report."""

    reason: str


@dataclass(frozen=True)
class SpotReclaimed:
    """The spot instance is wanted back; `comes_back` when capacity is found within MaxWait."""

    comes_back: bool


@dataclass(frozen=True)
class Repaired:
    """Cluster repair: the container starts anew within the same job."""


@dataclass(frozen=True)
class Signalled:
    """A SIGTERM to every process, out of the blue."""


Message = Exited | StopRequested | Killed | SpotReclaimed | Repaired | Signalled
Inbox = SimpleQueue[Message]
