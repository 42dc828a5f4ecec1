"""How the process ends: exit code and failure file as the controller expects them."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import wandb

from resilient_training.job import CheckpointLoadError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_log = logging.getLogger(__name__)

FAILED = 1
CHECKPOINT_UNUSABLE = 65
TERMINATED = 128 + signal.SIGTERM
_REASON_LENGTH = 1024


class Terminated(Exception):  # noqa: N818  # an end that was asked for is no error
    """SIGTERM came, and what can be saved is saved."""


def exit_code_of(error: BaseException) -> int | None:
    """The exit code that an error stands for; None where it brings its own (SystemExit)."""
    match error:
        case Terminated():
            return TERMINATED
        case SystemExit() if type(error).__name__ == "SIGTERMException":  # Lightning's own
            return TERMINATED
        case CheckpointLoadError():
            return CHECKPOINT_UNUSABLE
        case Exception():
            return FAILED
        case _:
            return None


def failure_text(error: BaseException) -> str:
    """What SageMaker copies into FailureReason, of which it keeps the first 1,024 characters."""
    return f"{type(error).__name__}: {error}"[:_REASON_LENGTH]


class Ending:
    """Turns what leaves its block into the exit code and the failure file of the contract."""

    def __init__(self, failure_file: Path) -> None:
        self.failure_file = failure_file

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = None if error is None else exit_code_of(error)
        if error is None or code is None:
            return
        if code != TERMINATED:
            _log.error("training failed", exc_info=error)
            self._write(failure_text(error))
        if wandb.run is not None:
            wandb.finish(exit_code=code)
        _log.info("exit code %d", code)
        raise SystemExit(code) from error

    def _write(self, text: str) -> None:
        # Outside SageMaker there is no such folder, and nobody to read it.
        if self.failure_file.parent.is_dir():
            self.failure_file.write_text(text)
