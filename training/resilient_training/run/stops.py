"""What asks the command to end before its time: SIGTERM, Ctrl-C, or a person's stop in W&B."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from resilient_training.run.child import Child


class Stops:
    """Remembers what was asked for, and hands SIGTERM to the command at once.

    A signal comes between two lines of the main thread, a person's stop in a thread of the SDK's:
    both only set what the wrapper's loop looks at. Nothing is logged there: the line that is being
    written to a stream cannot be interrupted by another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._child: Child | None = None
        self._handed_on = False
        self.terminated_at: float | None = None
        self.by_user_at: float | None = None

    def listen(self) -> None:
        """Be the one that signals come to. Ctrl-C counts as SIGTERM, and twice kills."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def watch_over(self, child: Child) -> None:
        """From now on a stop goes to this command; one that came before it goes now."""
        self._child = child
        if self.asked_at is not None:
            self._hand_on()

    def stop_by_user(self) -> None:
        """Take a person's stop. W&B calls this in the thread that its SDK lives on."""
        if self.by_user_at is None:
            self.by_user_at = self._clock()
            self._hand_on()

    @property
    def asked_at(self) -> float | None:
        """When the command was first asked to end, by the monotonic clock."""
        asked = [at for at in (self.terminated_at, self.by_user_at) if at is not None]
        return min(asked, default=None)

    @property
    def name(self) -> str:
        """What came first of all that counts, for a log line."""
        return "SIGTERM" if self.by_user_at is None else "a person's stop in W&B"

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.terminated_at is None:
            self.terminated_at = self._clock()
            self._hand_on()
        elif number == signal.SIGINT and self._child is not None:
            self._child.kill()

    def _hand_on(self) -> None:
        """Once: a second SIGTERM makes some launchers give up what the first has begun."""
        if self._child is not None and not self._handed_on:
            self._handed_on = True
            self._child.terminate()
