"""The first load of a file that was just written: in a process of its own, beside the training."""

from __future__ import annotations

import json
import logging
import os
import subprocess  # nosec B404
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from resilient_training.checkpoints.loadable import NotLoadableError
from resilient_training.checkpoints.reader import LOADS, REFUSED
from resilient_training.checkpoints.safe_globals import allowed_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_READER = (sys.executable, "-m", "resilient_training.checkpoints.reader")
_PATIENCE = 120.0
_BYTES_PER_SECOND = 20e6


class Trial:
    """Has files loaded as a resume would load them, each in a new process.

    Such a process takes seconds to import torch. `prepare` starts one that then waits for its file,
    so that the first checkpoint of an attempt need not wait for it. `close` ends one that was never
    asked.
    """

    def __init__(self, command: Sequence[str] = _READER) -> None:
        self._command = command
        self._waiting: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # of the one that waits

    def close(self) -> None:
        """End the process that waits, if there is one."""
        process = self._take()
        if process is not None:
            with process:
                process.kill()

    def prepare(self) -> None:
        """Start the process of the next file, if that is possible: it only saves time."""
        with self._lock, suppress(OSError):
            self._waiting = self._waiting or self._started()

    def loads(self, reader: str, file: Path) -> bool:
        """Whether `file` loads, which `reader` tries; False when that came to no answer.

        Args:
            reader: A module whose `refusal` says why no resume would load a file, or None.
            file: Written and whole.

        Raises:
            NotLoadableError: the file was refused.
        """
        asked = {"reader": reader, "file": str(file.absolute()), "allowed": allowed_names()}
        patience = _PATIENCE + file.stat().st_size / _BYTES_PER_SECOND
        try:
            ended = self._asked(json.dumps(asked) + "\n", patience)
        except subprocess.TimeoutExpired:
            _log.warning("%s could not be tried: no answer within %.0f s", file, patience)
            return False
        except OSError as error:  # no memory for a process, for now
            _log.warning("%s could not be tried: %s", file, error)
            return False
        if ended.returncode == REFUSED:
            raise NotLoadableError(f"no resume could load this checkpoint: {ended.stdout.strip()}")
        if ended.returncode != LOADS:
            last = ended.stderr.strip().rpartition("\n")[2]
            _log.warning("%s could not be tried: exit code %d %s", file, ended.returncode, last)
        return ended.returncode == LOADS

    def _asked(self, line: str, patience: float) -> subprocess.CompletedProcess[str]:
        with self._take() or self._started() as process:
            try:
                said, errors = process.communicate(line, patience)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(self._command, process.returncode, said, errors)

    def _take(self) -> subprocess.Popen[str] | None:
        with self._lock:
            process, self._waiting = self._waiting, None
        return process

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  # nosec B603
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the training
        )


def _environment() -> dict[str, str]:
    # The same code as here, however it was found; no GPU, whose memory is the training's.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109 - of sys.path
    return {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
