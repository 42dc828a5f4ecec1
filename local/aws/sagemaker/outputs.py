"""Where a container's output goes: a file in the job's directory, and CloudWatch Logs."""

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 16


@dataclass(frozen=True)
class Output:
    """Reads a container's output until all its writers are gone."""

    source: int
    file: Path
    write_log: Callable[[list[str]], None]
    flush_after: float

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._copy, daemon=True)
        thread.start()
        return thread

    def _copy(self) -> None:
        pending, sent = b"", time.monotonic()
        with self.file.open("ab", buffering=0) as file:
            while (part := self._next(wait_long=not pending)) is not None:
                file.write(part)
                pending += part
                if time.monotonic() - sent >= self.flush_after:
                    # Whole lines only: the rest of a line is on its way.
                    lines, _, pending = pending.rpartition(b"\n")
                    self._send(lines)
                    sent = time.monotonic()
        self._send(pending)

    def _next(self, *, wait_long: bool) -> bytes | None:
        """Return what is there, nothing when it takes too long, and None at the end."""
        patience = None if wait_long else self.flush_after
        ready, _, _ = select.select([self.source], [], [], patience)
        return (os.read(self.source, CHUNK) or None) if ready else b""

    def _send(self, text: bytes) -> None:
        lines = text.decode("utf-8", errors="replace").splitlines()
        if lines:
            self.write_log(lines)
