"""One piece of work at a time beside the training."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NICENESS = 5


class Beside:
    """A thread for work that the training does not wait for; its error is raised when asked."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name, initializer=_give_way)
        self._work: Future[None] | None = None

    @property
    def busy(self) -> bool:
        return self._work is not None and not self._work.done()

    def begin(self, work: Callable[[], None]) -> None:
        """Wait for the last work, then begin this one.

        Raises:
            Exception: what the last work ended with.
        """
        self.wait()
        self.raise_failure()
        self._work = self._thread.submit(work)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the work is done within so many seconds."""
        return self._work is None or not wait([self._work], seconds).not_done

    def raise_failure(self) -> None:
        """Raise what the work ended with, once."""
        if self._work is not None and self._work.done():
            done, self._work = self._work, None
            done.result()


def _give_way() -> None:
    """The training's own threads come first where the cores do not suffice."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
