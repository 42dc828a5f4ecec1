"""Environments kept warm between invocations, one per invocation at a time."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from local.aws.lambda_runtime.environment import Environment
from local.aws.lambda_runtime.spec import FunctionSpec

IDLE_SECONDS = 300.0
# Below the twelve hours for which the role's session is good.
LIFETIME_SECONDS = 11 * 3600.0

Owner = tuple[str, str, str]


@dataclass
class Lease:
    """An environment with what the pool must know of it."""

    environment: Environment
    spec: FunctionSpec
    log_stream: str
    born: float
    last_used: float


class Pool:
    def __init__(self, create: Callable[[FunctionSpec], Lease]) -> None:
        self._create = create
        self._lock = threading.Lock()
        self._idle: dict[Owner, list[Lease]] = defaultdict(list)
        self._busy: dict[int, Lease] = {}

    def acquire(self, spec: FunctionSpec) -> Lease:
        """A warm environment of this very revision, or a new one."""
        while (lease := self._take(spec)) is not None:
            if lease.environment.alive():
                return self._mark_busy(lease)
            lease.environment.close()
        return self._mark_busy(self._create(spec))

    def _take(self, spec: FunctionSpec) -> Lease | None:
        with self._lock:
            idle = self._idle[spec.owner]
            fitting = [lease for lease in idle if lease.spec.revision == spec.revision]
            if not fitting:
                return None
            # The one used last: the others may then grow old and go.
            idle.remove(fitting[-1])
            return fitting[-1]

    def _mark_busy(self, lease: Lease) -> Lease:
        with self._lock:
            self._busy[id(lease)] = lease
        return lease

    def release(self, lease: Lease) -> None:
        lease.last_used = time.monotonic()
        with self._lock:
            # Gone from the list when its function was changed or deleted meanwhile.
            current = self._busy.pop(id(lease), None) is not None
            if current and lease.environment.usable:
                self._idle[lease.spec.owner].append(lease)
                return
        lease.environment.close()

    def retire(self, function_name: str) -> None:
        """Let no later invocation meet an environment of this function that exists now."""
        with self._lock:
            owners = [owner for owner in self._idle if owner[2] == function_name]
            idle = [lease for owner in owners for lease in self._idle.pop(owner)]
            for key, lease in tuple(self._busy.items()):
                if lease.spec.name == function_name:
                    del self._busy[key]
        _close(idle)

    def retire_idle(self, now: float) -> None:
        with self._lock:
            old = [lease for idle in self._idle.values() for lease in idle if _is_old(lease, now)]
            for lease in old:
                self._idle[lease.spec.owner].remove(lease)
        _close(old)

    def close(self) -> None:
        """End every process, busy ones too."""
        with self._lock:
            idle = [lease for leases in self._idle.values() for lease in leases]
            busy = list(self._busy.values())
            self._idle.clear()
            self._busy.clear()
        _close(idle)
        for lease in busy:
            # Its own thread finds the exit and closes the rest.
            lease.environment.process.kill()


def _is_old(lease: Lease, now: float) -> bool:
    return now - lease.last_used > IDLE_SECONDS or now - lease.born > LIFETIME_SECONDS


def _close(leases: list[Lease]) -> None:
    for lease in leases:
        lease.environment.close()
