"""What can happen to a job while it runs; its thread takes these one at a time."""

from dataclasses import dataclass
from queue import SimpleQueue

from local.aws.sagemaker.cluster import FIRST


@dataclass(frozen=True)
class Exited:
    """A host's container ended: its exit code, or why it never started."""

    code: int
    not_started: str | None = None
    host: str = FIRST

    @property
    def failed(self) -> bool:
        return self.code != 0 or self.not_started is not None


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


@dataclass(frozen=True)
class HostLost:
    """One host is gone, with its processes and its disk."""

    host: str


@dataclass(frozen=True)
class HostFrozen:
    """One host stands still and is cut off; for so many seconds, or for ever."""

    host: str
    seconds: float | None


@dataclass(frozen=True)
class HostSlowed:
    """One host runs for this part of the time only."""

    host: str
    speed: float


OfOneHost = HostLost | HostFrozen | HostSlowed
Message = Exited | StopRequested | Killed | SpotReclaimed | Repaired | Signalled | OfOneHost
Inbox = SimpleQueue[Message]
