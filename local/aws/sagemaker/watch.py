"""Waits for a container to end, and makes it end when something says that it must."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import assert_never

from local.aws.sagemaker import ends
from local.aws.sagemaker.containers import Container
from local.aws.sagemaker.ends import Again, End
from local.aws.sagemaker.inbox import (
    Exited,
    Inbox,
    Killed,
    Repaired,
    Signalled,
    SpotReclaimed,
    StopRequested,
)


@dataclass(frozen=True)
class Seen:
    """What a container came to: how it ended, and what had been decided for it before."""

    exited: Exited
    decided: End | Again | None
    lost: bool


@dataclass(frozen=True)
class Limits:
    """Moments on the monotonic clock."""

    runtime: float
    wait: float
    grace: float


class Watch:
    """The first decision stands: a job that is being stopped ends as stopped."""

    def __init__(
        self,
        inbox: Inbox,
        container: Container,
        limits: Limits,
        enter: Callable[[str], None],
    ) -> None:
        self._inbox = inbox
        self._container = container
        self._limits = limits
        self._enter = enter
        self._decided: End | Again | None = None
        self._kill_at: float | None = None
        self._lost = False

    def until_end(self) -> Seen:
        while True:
            try:
                message = self._inbox.get(timeout=self._patience())
            except Empty:
                self._act_on_time()
                continue
            if isinstance(message, Exited):
                return Seen(message, self._decided, self._lost)
            self._act_on(message)

    def _patience(self) -> float | None:
        """Seconds to the next moment at which something is to be done."""
        limits = self._limits
        moments = [limits.runtime, limits.wait] if self._decided is None else [self._kill_at]
        soonest = min((one for one in moments if one is not None), default=None)
        # A queue cannot wait for longer than a C timeout holds; the loop comes round again.
        return None if soonest is None else min(max(0.0, soonest - time.monotonic()), 1e6)

    def _act_on_time(self) -> None:
        now = time.monotonic()
        if self._decided is not None:
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                self._container.kill()
        elif now >= self._limits.wait:
            self._end_gently(ends.WAITED_TOO_LONG, "Stopping")
        elif now >= self._limits.runtime:
            self._end_gently(ends.TOO_LONG, "Stopping")

    def _act_on(
        self, message: Killed | Repaired | Signalled | SpotReclaimed | StopRequested
    ) -> None:
        if isinstance(message, Signalled):
            self._container.ask_all()
        elif self._decided is None:
            self._decide(message)

    def _decide(self, message: Killed | Repaired | SpotReclaimed | StopRequested) -> None:
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

    def _end_gently(self, decided: End | Again, secondary: str | None) -> None:
        self._decided = decided
        self._kill_at = time.monotonic() + self._limits.grace
        if secondary:
            self._enter(secondary)
        self._container.ask()

    def _end_at_once(self, decided: End | Again) -> None:
        self._decided, self._lost = decided, True
        self._container.kill()
