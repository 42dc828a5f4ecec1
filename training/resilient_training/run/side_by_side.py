"""The same work for many files, several at a time, in threads that give way to the training."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from resilient_training.checkpoints.beside import give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Event

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int, stop: Event
) -> list[Result]:
    """Do the work for each item; gives the results in the items' order.

    At the first error no further work begins, and `stop` is set for what is under way.

    Raises:
        Exception: what the first work to fail raised.
    """
    with ThreadPoolExecutor(at_once, "files", initializer=give_way) as threads:
        futures = [threads.submit(work, item) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = [future for future in done if future.exception() is not None]
            if failed:
                failed[0].result()
        except BaseException:
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
