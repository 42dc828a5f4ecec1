"""One call at a time beside the wrapper's loop, which it can neither block nor break."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from resilient_training.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


@dataclass(frozen=True)
class Done(Generic[Result]):
    value: Result


@dataclass(frozen=True)
class Broken:
    """The call raised: a bug, or what nobody foresaw."""

    error: BaseException

    @property
    def why(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


class Background(Generic[Result]):
    """Runs calls in daemon threads of this name, one at a time.

    A thread of its own and no executor: the interpreter waits for those at its end, and a call that
    waits for W&B may never return.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._future: Future[Result] | None = None

    @property
    def busy(self) -> bool:
        """Whether a call runs, or its result has not been taken."""
        return self._future is not None

    def start(self, call: Callable[[], Result]) -> None:
        """Begin a call; only while not `busy`."""
        future: Future[Result] = Future()
        self._future = future
        threading.Thread(
            target=_run, args=(call, future), name=f"resilient-run {self._name}", daemon=True
        ).start()

    def take(self) -> Done[Result] | Broken | None:
        """The result of the call, once; None: there is none yet."""
        future = self._future
        if future is None or not future.done():
            return None
        self._future = None
        error = future.exception()
        return Done(future.result()) if error is None else Broken(error)

    def wait(self, seconds: float) -> Done[Result] | Broken | None:
        """The result of the call, once it is there; None: not in time, or there is no call."""
        if self._future is not None:
            wait([self._future], seconds)
        return self.take()


def _run(call: Callable[[], Result], future: Future[Result]) -> None:
    with Outcome(future):
        future.set_result(call())
