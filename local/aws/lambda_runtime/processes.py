"""Starting a function's process so that it cannot outlive the server."""

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

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
        self._work: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], _Start]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="lambda-spawner", daemon=True).start()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> "subprocess.Popen[bytes]":
        started: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((started, _Start(command, environment, directory)))
        return started.result()

    def _run(self) -> None:
        while True:
            started, request = self._work.get()
            try:
                started.set_result(request())
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                started.set_exception(error)


class _Start:
    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self._command, self._environment, self._directory = command, environment, directory

    def __call__(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command,
            env=dict(self._environment),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing but a prctl, loaded beforehand
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End the process and what it started, and collect it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def peak_memory_mb(process: "subprocess.Popen[bytes]") -> int:
    """Highest resident size so far, 0 when the process is gone."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    high = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(high[0].split()[1]) // 1024 if high else 0
