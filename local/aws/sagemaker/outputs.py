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
            while True:
                timeout = self.flush_after if pending else None
                ready, _, _ = select.select([self.source], [], [], timeout)
                part = os.read(self.source, CHUNK) if ready else b""
                file.write(part)
                pending += part
                over = bool(ready) and not part
                if over or time.monotonic() - sent >= self.flush_after:
                    pending, sent = self._send(pending, over), time.monotonic()
                if over:
                    return

    def _send(self, pending: bytes, over: bool) -> bytes:  # noqa: FBT001 - the last time
        """Send the whole lines; keep the rest for the next time, unless there is none."""
        whole, _, rest = (pending, b"", b"") if over else pending.rpartition(b"\n")
        lines = whole.decode("utf-8", errors="replace").splitlines()
        if lines:
            self.write_log(lines)
        return rest
