"""Uploads beside the training: one at a time, and never a queue that grows."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from resilient_training.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Patience:
    """How long an upload may stand still, in seconds, before nobody waits for it any longer.

    A server that completes a large file sends nothing for minutes, and the SDK hashes it before it
    sends anything. Where nobody can see whether an upload moves, it gets `unseen` seconds.
    """

    still: float
    unseen: float


_PATIENCE = Patience(still=300.0, unseen=1800.0)


@dataclass(frozen=True, eq=False)
class _Entry(Generic[Item]):
    item: Item
    future: Future[bool] = field(default_factory=Future)


class Uploads(Generic[Item]):
    """Runs `upload` for each item in order, in one thread, for as long as each takes.

    At most `room` items wait. A further one takes the place of the oldest that is not precious: a
    checkpoint that was overtaken before its upload began is worth less than a training that stands
    still. With all of them precious the oldest goes.

    An upload that has begun is never given up. W&B's SDK takes the versions of one collection one
    after the other: it would not begin the next, and still read the file of this one. Only who
    waits for an upload (`drain`) stops to wait when it stands still.

    Args:
        upload: Returns at the true end of one upload: whether it succeeded.
        precious: Whether an item is overtaken only where all others are precious, too.
        room: How many may wait.
        progress: A number that changes while an upload moves; None: nobody can see it.
        patience: How long `drain` waits for what does not move.
    """

    def __init__(
        self,
        upload: Callable[[Item], bool],
        *,
        precious: Callable[[Item], bool] = lambda _: False,
        room: int = 2,
        progress: Callable[[], int | None] = lambda: None,
        patience: Patience | None = None,
    ) -> None:
        self._upload = upload
        self._precious = precious
        self._room = room
        self._progress = progress
        self._patience = patience or _PATIENCE
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._queue: deque[_Entry[Item]] = deque()

    def put(self, item: Item) -> list[Item]:
        """Queue `item`; gives the items that it overtook."""
        with self._lock:
            self._forget_done()
            overtaken = self._make_room()
            self._queue.append(_Entry(item))
            if self._thread is None:
                # A daemon: a process whose W&B is gone ends all the same.
                self._thread = threading.Thread(
                    target=self._work, name="checkpoint-upload", daemon=True
                )
                self._thread.start()
        return overtaken

    def pending(self) -> list[Item]:
        """What waits or is read by the upload: its file is in use."""
        with self._lock:
            return [entry.item for entry in self._queue if not entry.future.done()]

    def drain(self, timeout: float | None = None) -> bool:
        """Wait for all that was queued; True when the last of it succeeded in time.

        What is not done then goes on, and still counts when it succeeds.

        Args:
            timeout: In seconds. None: for as long as something moves, and `patience` beyond.
        """
        with self._lock:
            entries = list(self._queue)
        futures = [entry.future for entry in entries]
        late = (
            self._wait_until(futures, time.monotonic() + timeout)
            if timeout is not None
            else (self._wait_while_moving(futures))
        )
        return not late and all(future.result() for future in futures[-1:])

    @staticmethod
    def _wait_until(futures: list[Future[bool]], deadline: float) -> set[Future[bool]]:
        return wait(futures, max(0.0, deadline - time.monotonic())).not_done

    def _wait_while_moving(self, futures: list[Future[bool]]) -> set[Future[bool]]:
        watch = _Watch(self._patience)
        poll = min(_POLL_SECONDS, self._patience.still / 4)
        late = wait(futures, 0).not_done
        while late and not watch.has_seen_enough(self._progress(), len(late)):
            late = wait(late, poll).not_done
        return late

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            with Outcome(entry.future):
                entry.future.set_result(self._upload(entry.item))

    def _next(self) -> _Entry[Item] | None:
        with self._lock:
            for entry in self._queue:
                if not entry.future.done():
                    entry.future.set_running_or_notify_cancel()
                    return entry
            self._thread = None
            return None

    def _make_room(self) -> list[Item]:
        waiting = [
            entry for entry in self._queue if not (entry.future.running() or entry.future.done())
        ]
        least_first = sorted(waiting, key=lambda entry: self._precious(entry.item))
        surplus = least_first[: max(0, len(waiting) - self._room + 1)]
        for entry in surplus:
            entry.future.cancel()
            self._queue.remove(entry)
        return [entry.item for entry in surplus]

    def _forget_done(self) -> None:
        """Keep the newest result: `drain` answers for it."""
        while len(self._queue) > 1 and self._queue[0].future.done():
            self._queue.popleft()


class _Watch:
    """Looks on while something is waited for, and says when it has stood still for too long."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._mark: tuple[int | None, int] | None = None
        self._since = time.monotonic()

    def has_seen_enough(self, progress: int | None, left: int) -> bool:
        """Take what is seen now: the progress, and how many are not done."""
        now = time.monotonic()
        if self._mark != (progress, left):
            self._mark, self._since = (progress, left), now
        limit = self._patience.unseen if progress is None else self._patience.still
        return now - self._since >= limit
