"""Starting a function's process so that it cannot outlive the server."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be imported or looked up.
_prctl = ctypes.CDLL(None).prctl


def _die_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Spawner:
    """Starts processes from one thread that lives as long as the server.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends, and requests are served by threads
    that end with their request.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "lambda-spawner")

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> Popen[bytes]:
        return self._thread.submit(_start, command, environment, directory).result()


def _start(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Popen[bytes]:
    return Popen(
        command,
        env=dict(environment),
        cwd=directory,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing but a prctl, loaded beforehand
    )


def kill(process: Popen[bytes]) -> None:
    """End the process and what it started, and collect it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def peak_memory_mb(process: Popen[bytes]) -> int:
    """Highest resident size so far, 0 when the process is gone."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    high = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(high[0].split()[1]) // 1024 if high else 0
