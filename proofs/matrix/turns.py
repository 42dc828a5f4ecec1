"""Two workers of whom one runs at a time; who goes on at each remote call is told from outside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from proofs.matrix.line import Delivery
from proofs.matrix.steps import Step

_PATIENCE = (
    20  # seconds, for a worker that should have come back; never waited for when all is well
)


@dataclass(slots=True)
class Worker:
    """A thread that stops before each remote call until it is told to go on."""

    work: Callable[[], None]
    at: Step | None = None  # the call before which it stands; None: not begun, or done
    done: bool = False
    error: BaseException | None = None
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it make the call before which it stands, and come to the next."""
        if self.done:
            return
        self._go.release()
        if not self._back.acquire(timeout=_PATIENCE):
            raise AssertionError(f"a worker hangs at {self.at}")
        if self.error is not None:
            raise self.error

    def to_the_end(self) -> None:
        while not self.done:
            self.step()

    def pause(self, step: Step) -> None:
        """Called by the worker itself."""
        self.at = step
        self._back.release()
        self._go.acquire()

    @property
    def ident(self) -> int | None:
        return self._thread.ident if self._thread else None

    def _run(self) -> None:
        self._go.acquire()
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 — handed to the thread that leads
            self.error = error
        self.at, self.done = None, True
        self._back.release()


@contextmanager
def taking_turns(
    on_request: list[Callable[[Delivery, Step], None]], *workers: Worker
) -> Iterator[None]:
    """Have the workers begin, and each wait for its turn before every request."""
    for worker in workers:
        worker.begin()
    by_thread = {worker.ident: worker for worker in workers}

    def pause(_: Delivery, step: Step) -> None:
        worker = by_thread.get(threading.get_ident())
        if worker is not None:
            worker.pause(step)

    on_request.append(pause)
    try:
        yield
    finally:
        on_request.remove(pause)
