"""Waits for the containers of a job to end, and makes them end when something says that they must.

"One host's failure ends the job": a container that ends with another code than 0 has the others
asked to end, with the grace of any stop. AWS documents neither how the others end nor how soon.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import assert_never

from local.aws.sagemaker import ends
from local.aws.sagemaker.ends import Again, End
from local.aws.sagemaker.inbox import (
    Exited,
    HostFrozen,
    HostLost,
    HostSlowed,
    Inbox,
    Killed,
    Message,
    OfOneHost,
    Repaired,
    Signalled,
    SpotReclaimed,
    StopRequested,
)
from local.aws.sagemaker.running import RunningHosts

Decision = Killed | Repaired | SpotReclaimed | StopRequested


@dataclass(frozen=True)
class Seen:
    """What the containers came to: in which order they ended, and what had been decided before.

    `lost`: SageMaker took the machines, so that nothing of them is left. `reachable`: the hosts
    that were there to the end. A host that was lost is not among the exits.
    """

    exits: tuple[Exited, ...]
    decided: End | Again | None
    lost: bool
    reachable: frozenset[str]


@dataclass(frozen=True)
class Limits:
    """Moments on the monotonic clock; `grace` and `notice` in seconds.

    `notice`: how long SageMaker takes to see by itself that a host is gone.
    """

    runtime: float
    wait: float
    grace: float
    notice: float


class Watch:
    """The first decision stands: a job that is being stopped ends as stopped."""

    def __init__(
        self, inbox: Inbox, hosts: RunningHosts, limits: Limits, enter: Callable[[str], None]
    ) -> None:
        self._inbox = inbox
        self._hosts = hosts
        self._limits = limits
        self._enter = enter
        self._exits: dict[str, Exited] = {}
        self._gone: set[str] = set()
        self._decided: End | Again | None = None
        self._ending = False
        self._kill_at: float | None = None
        self._notice_at = float("inf")
        self._lost = False

    def until_end(self) -> Seen:
        while self._exits.keys() != self._hosts.names:
            try:
                message = self._inbox.get(timeout=self._patience())
            except Empty:
                self._act_on_time()
            else:
                self._act_on(message)
        exits = tuple(one for host, one in self._exits.items() if host not in self._gone)
        if self._gone and self._decided is None and not any(one.failed for one in exits):
            self._decided, self._lost = ends.failed(ends.INTERNAL), True
        return Seen(exits, self._decided, self._lost, self._hosts.reachable)

    def _patience(self) -> float | None:
        """Seconds to the next moment at which something is to be done."""
        limits = self._limits
        others = [limits.runtime, limits.wait, self._notice_at]
        moments = [self._kill_at] if self._ending else others
        soonest = min((one for one in moments if one is not None), default=None)
        # A queue cannot wait for longer than a C timeout holds; the loop comes round again.
        return None if soonest is None else min(max(0.0, soonest - time.monotonic()), 1e6)

    def _act_on_time(self) -> None:
        now = time.monotonic()
        if self._ending:
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                self._hosts.kill()
        elif now >= self._limits.wait:
            self._end_gently(ends.WAITED_TOO_LONG, "Stopping")
        elif now >= self._limits.runtime:
            self._end_gently(ends.TOO_LONG, "Stopping")
        elif now >= self._notice_at:
            self._end_at_once(ends.failed(ends.INTERNAL))

    def _act_on(self, message: Message) -> None:
        match message:
            case Exited():
                self._note(message)
            case Signalled():
                self._hosts.ask_all()
            case HostLost() | HostFrozen() | HostSlowed():
                self._befall(message)
            case _:
                if not self._ending:
                    self._decide(message)

    def _note(self, exited: Exited) -> None:
        self._exits[exited.host] = exited
        if self._ending or exited.host in self._gone:
            return
        if exited.failed:
            self._end_gently(None, None)  # why is read from the failure files, later
        elif self._gone:
            self._notice_at = min(self._notice_at, self._notice_after(self._limits.notice))

    def _befall(self, message: OfOneHost) -> None:
        if message.host in self._exits:
            return
        match message:
            case HostLost(host):
                self._lose(host)
            case HostFrozen(host, seconds):
                self._hosts.freeze(host, seconds)
            case HostSlowed(host, speed):
                self._hosts.slow(host, speed)
            case _:
                assert_never(message)

    def _lose(self, host: str) -> None:
        self._gone.add(host)
        self._hosts.lose(host)
        if not self._ending:
            self._notice_at = min(self._notice_at, self._notice_after(self._limits.notice))

    def _notice_after(self, seconds: float) -> float:
        """When the loss is seen: at once where no other host is left to suffer from it."""
        others = self._hosts.names - self._gone - self._exits.keys()
        return time.monotonic() + (seconds if others else 0)

    def _decide(self, message: Decision) -> None:
        match message:
            case StopRequested():
                self._end_gently(ends.STOPPED, None)  # the API has entered Stopping itself
            case SpotReclaimed(comes_back):
                then = Again("Starting") if comes_back else ends.WAITED_TOO_LONG
                self._end_gently(then, "Interrupted")
            case Killed(reason):
                self._end_at_once(ends.failed(reason))
            case Repaired():
                self._end_at_once(Again("Restarting"))
            case _:
                assert_never(message)

    def _end_gently(self, decided: End | Again | None, secondary: str | None) -> None:
        self._decided, self._ending = decided, True
        self._kill_at = time.monotonic() + self._limits.grace
        if secondary:
            self._enter(secondary)
        self._hosts.ask()

    def _end_at_once(self, decided: End | Again) -> None:
        self._decided, self._ending, self._lost = decided, True, True
        self._hosts.kill()
