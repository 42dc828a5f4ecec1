"""Pieces of work beside the training, one after the other."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NICENESS = 5


class Beside:
    """A thread for work that the training does not wait for; its errors are raised when asked.

    At most `room` pieces of work are under way or wait; a further one has to wait to be taken.
    """

    def __init__(self, name: str, *, room: int = 1) -> None:
        self._thread = ThreadPoolExecutor(1, name, initializer=give_way)
        self._room = room
        self._works: deque[Future[None]] = deque()
        self._lock = threading.Lock()  # of the list: one thread begins, another one asks

    @property
    def busy(self) -> bool:
        return bool(self._under_way())

    def begin(self, work: Callable[[], None]) -> None:
        """Begin this work, once there is room for it.

        Raises:
            Exception: what an earlier work ended with.
        """
        under_way = self._under_way()
        if len(under_way) >= self._room:
            wait(under_way[: len(under_way) - self._room + 1])
        self.raise_failure()
        with self._lock:
            self._works.append(self._thread.submit(work))

    def wait(self, seconds: float | None = None) -> bool:
        """Whether all work is done within so many seconds."""
        return not wait(self._under_way(), seconds).not_done

    def raise_failure(self) -> None:
        """Raise what a work ended with, once."""
        while (done := self._next_done()) is not None:
            done.result()

    def _under_way(self) -> list[Future[None]]:
        with self._lock:
            return [one for one in self._works if not one.done()]

    def _next_done(self) -> Future[None] | None:
        with self._lock:
            return self._works.popleft() if self._works and self._works[0].done() else None


def give_way() -> None:
    """The training's own threads come first where the cores do not suffice."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
