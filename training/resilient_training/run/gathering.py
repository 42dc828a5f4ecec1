"""Hosts wait for each other at their start, for a while."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from resilient_training.run.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resilient_training.run.agreement import Arriving, Calling
    from resilient_training.run.messages import Begun

Found = TypeVar("Found")


class HostsMissingError(Exception):
    """Not all hosts of the job came to its beginning; no checkpoint is at fault."""


@dataclass(frozen=True)
class Waiting:
    """For how long, and how often the board is looked at, in seconds.

    Instances of one job may start minutes apart: each pulls the image by itself.
    """

    patience: float = 900.0
    look: float = 2.0


def gathered(calling: Calling, waiting: Waiting) -> Mapping[str, str]:
    """Call, and wait until all other hosts have arrived; gives what `Calling.begin` takes.

    Raises:
        HostsMissingError: some have not; the text names them.
    """

    def look() -> dict[str, str] | str:
        calling.call()
        arrivals = calling.arrivals()
        missing = calling.missing(arrivals)
        return f"no sign of {', '.join(missing)}" if missing else arrivals

    return _until(look, waiting)


def joined(arriving: Arriving, waiting: Waiting) -> Begun:
    """Arrive, and wait until the first host has begun the round.

    Raises:
        HostsMissingError: it has not.
    """
    return _until(lambda: arriving.look() or "the first host has not begun", waiting)


def _until(look: Callable[[], Found | str], waiting: Waiting) -> Found:
    deadline = time.monotonic() + waiting.patience
    while True:
        found = _tried(look)
        if not isinstance(found, str):
            return found
        if time.monotonic() >= deadline:
            raise HostsMissingError(f"{found} after {waiting.patience:g} s")
        time.sleep(waiting.look)


def _tried(look: Callable[[], Found | str]) -> Found | str:
    try:
        return look()
    except (StoreError, OSError) as error:
        return str(error)  # the next look may succeed
