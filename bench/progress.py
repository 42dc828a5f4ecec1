"""What a person sees on stderr while it measures."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

_EVERY_SECONDS = 3.0
T = TypeVar("T")


class Progress:
    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._began:7.1f} s  {text}\n")
        sys.stderr.flush()

    def through(self, what: str, things: Iterable[T]) -> Iterator[T]:
        """Give the things one by one, and say now and then how far it is."""
        total = f" of {len(things)}" if isinstance(things, Sized) else ""
        self.say(f"{what}{': ' + total.removeprefix(' of ') if total else ''}")
        told = time.monotonic()
        for number, thing in enumerate(things, start=1):
            yield thing
            if time.monotonic() - told > _EVERY_SECONDS:
                told = time.monotonic()
                self.say(f"{what}: {number}{total}")
