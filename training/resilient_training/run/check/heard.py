"""What one run of the command prints: kept in files, shown, and searched for losses."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.run.check.losses import Loss, loss_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ENDS = re.compile(rb"[\r\n]+")
_MOST_LOSSES = 2000
_MOST_OPEN = 65536
_MOST_TOLD = 3
_RESUMES = re.compile(
    r"resum|restor|continu|load\w*\b.*checkpoint|checkpoint.*\bload", re.IGNORECASE
)


@dataclass
class _Stream:
    """One of its two streams, as far as it was read."""

    name: str
    file: Path
    target: int = field(init=False)
    read: int = 0
    open: bytes = b""

    def __post_init__(self) -> None:
        self.target = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

    def new(self) -> bytes:
        with self.file.open("rb") as file:
            file.seek(self.read)
            some = file.read()
        self.read += len(some)
        return some

    def lines(self, some: bytes) -> Iterator[str]:
        """Lines that have ended; those of a progress bar as well, which a later one overwrites."""
        *ended, self.open = _ENDS.split(self.open + some)
        self.open = self.open[-_MOST_OPEN:]
        return (line.decode(errors="replace") for line in ended if line)


class Heard:
    """The output of one run.

    Args:
        folder: Where the output is kept.
        name: Of this run.
        show: Is given all that the command writes.
        clock: Wall clock, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        show: Callable[[bytes], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._show = show
        self._clock = clock
        self._streams = [_Stream(one, folder / f"{name}.{one}") for one in ("out", "err")]
        self.losses: list[Loss] = []
        self.told: list[str] = []

    @property
    def targets(self) -> tuple[int, int]:
        """File descriptors for the command's output and its error output."""
        out, err = self._streams
        return out.target, err.target

    def listen(self) -> None:
        """Take what was written since the last call."""
        for stream in self._streams:
            if some := stream.new():
                self._show(some)
                for line in stream.lines(some):
                    self._take(line, stream.name)

    def close(self) -> None:
        """Take the rest, the last line too, which may have no end."""
        self.listen()
        for stream in self._streams:
            for line in stream.lines(b"\n"):
                self._take(line, stream.name)
            os.close(stream.target)

    def _take(self, line: str, stream: str) -> None:
        loss = loss_in(line, stream, self._clock())
        if loss is not None and len(self.losses) < _MOST_LOSSES:
            self.losses.append(loss)
        # What it says before it trains; later ones are about other things.
        early = not self.losses and len(self.told) < _MOST_TOLD
        if loss is None and early and _RESUMES.search(line) and "Warning" not in line:
            self.told.append(line.strip()[:200])
