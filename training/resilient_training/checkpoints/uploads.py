"""Uploads beside the training: one at a time, and never a queue that grows."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")


class Uploads(Generic[Item]):
    """Runs `upload` for each item in order, in one thread.

    At most `room` items wait. A further one takes the place of the oldest that is not precious: a
    checkpoint that was overtaken before its upload began is worth less than a training that stands
    still. With all of them precious the oldest goes.
    """

    def __init__(
        self,
        upload: Callable[[Item], bool],
        *,
        precious: Callable[[Item], bool] = lambda _: False,
        room: int = 2,
    ) -> None:
        self._upload = upload
        self._precious = precious
        self._room = room
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint-upload")
        self._queue: deque[tuple[Item, Future[bool]]] = deque()

    def put(self, item: Item) -> list[Item]:
        """Queue `item`; gives the items that it overtook."""
        self._forget_done()
        overtaken = self._make_room()
        self._queue.append((item, self._thread.submit(self._upload, item)))
        return overtaken

    def _make_room(self) -> list[Item]:
        waiting = [entry for entry in self._queue if not (entry[1].running() or entry[1].done())]
        least_first = sorted(waiting, key=lambda entry: self._precious(entry[0]))
        surplus = least_first[: max(0, len(waiting) - self._room + 1)]
        cancelled = [entry for entry in surplus if entry[1].cancel()]
        for entry in cancelled:
            self._queue.remove(entry)
        return [item for item, _ in cancelled]

    def pending(self) -> list[Item]:
        return [item for item, future in list(self._queue) if not future.done()]

    def drain(self, timeout: float | None = None) -> bool:
        """Wait for all that was queued; True when the last of it succeeded in time."""
        futures = [future for _, future in self._queue]
        _, late = wait(futures, timeout)
        return not late and all(future.result() for future in futures[-1:])

    def _forget_done(self) -> None:
        """Keep the newest result: `drain` answers for it."""
        while len(self._queue) > 1 and self._queue[0][1].done():
            self._queue.popleft()
