"""The last lines of what a command wrote, as a terminal would show them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_LINES = 1000
_LINE_BYTES = 2000


@dataclass
class Tail:
    """Keeps the last `_LINES` lines of a stream of bytes, each cut to `_LINE_BYTES`.

    What a carriage return overwrites is not kept: a progress bar is one line, and cannot push the
    error of another process out.
    """

    _kept: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES))
    _open: bytes = b""

    def add(self, some: bytes) -> None:
        *ended, self._open = (self._open + some).split(b"\n")
        self._kept.extend(_shown(line) for line in ended)
        if len(self._open) > _LINE_BYTES:
            # A bar that never ends its line must not fill the memory.
            self._open = self._open[-_LINE_BYTES:]

    @property
    def lines(self) -> list[str]:
        """All lines, the oldest first; the last one may not have ended yet."""
        last = _shown(self._open)
        return [*self._kept, *([last] if last else [])]


def _shown(line: bytes) -> str:
    visible = line.rstrip(b"\r").rpartition(b"\r")[2]
    return visible[:_LINE_BYTES].decode("utf-8", errors="replace")
