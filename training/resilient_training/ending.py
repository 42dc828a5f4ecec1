"""How the process ends: exit code and failure file as the controller expects them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Self

import wandb

from resilient_training.job import CheckpointLoadError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_log = logging.getLogger(__name__)

FAILED = 1
CHECKPOINT_UNUSABLE = 65
STOPPED_BY_USER = 66
TERMINATED = 128 + signal.SIGTERM
_ASKED_FOR = frozenset({STOPPED_BY_USER, TERMINATED})
_REASON_LENGTH = 1024
_LAST_WORDS_SECONDS = 60.0


class Terminated(Exception):  # noqa: N818  # an end that was asked for is no error
    """SIGTERM came, and what can be saved is saved."""


class StoppedByUser(Exception):  # noqa: N818  # as above
    """A person stopped the run in W&B, and what can be saved is saved."""


def exit_code_of(error: BaseException) -> int | None:
    """The exit code that an error stands for; None where it brings its own (SystemExit)."""
    match error:
        case Terminated():
            return TERMINATED
        case SystemExit() if type(error).__name__ == "SIGTERMException":  # Lightning's own
            return TERMINATED
        case StoppedByUser():
            return STOPPED_BY_USER
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
    """Turns what leaves its block into the exit code and the failure file of the contract.

    `under_way` is set once the process ends in whatever way, and needs nobody to push it.
    Once `stopped_by_user` is set, every other end than the block's own is that stop: a job that
    breaks on the way to it must not come back either. Ctrl-C keeps its own meaning.

    A `follower` is a process that rank 0 started. Its planned end is 0, because Lightning kills
    rank 0, with the commit that it is at, within 5 s of a child that ends with another code.
    """

    def __init__(self, failure_file: Path, *, follower: bool = False) -> None:
        self.failure_file = failure_file
        self.follower = follower
        self.stopped_by_user = False
        self.under_way = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.under_way.set()
        reported = None if error is None else self._reported(error)
        code = None if reported is None else exit_code_of(reported)
        if reported is None or code is None:
            return
        if code in _ASKED_FOR and self.follower:
            raise SystemExit(0) from error
        if code not in _ASKED_FOR:
            _log.error("training failed", exc_info=error)
        if code != TERMINATED:
            self._write(failure_text(reported))
        if wandb.run is not None:
            wandb.finish(exit_code=code)
        _log.info("exit code %d", code)
        raise SystemExit(code) from error

    def leave_now(self, error: StoppedByUser) -> None:
        """End the process from a thread beside a training that does not end by itself."""
        _log.error("leaving the training where it stands: %s", error)
        self._write(failure_text(error))
        # What W&B has not got yet is lost without it; it may hang on what the training holds.
        last_words = threading.Thread(target=_finish_run, daemon=True)
        last_words.start()
        last_words.join(_LAST_WORDS_SECONDS)
        os._exit(STOPPED_BY_USER)

    def _reported(self, error: BaseException) -> BaseException:
        done = isinstance(error, SystemExit) and type(error) is SystemExit and not error.code
        if not self.stopped_by_user or done or isinstance(error, StoppedByUser | KeyboardInterrupt):
            return error
        _log.info("this broke a training that a person had stopped", exc_info=error)
        return StoppedByUser(f"in W&B; then {failure_text(error)}")

    def _write(self, text: str) -> None:
        # Outside SageMaker there is no such folder, and nobody to read it.
        if self.failure_file.parent.is_dir():
            self.failure_file.write_text(text)


def _finish_run() -> None:
    if wandb.run is not None:
        wandb.finish(exit_code=STOPPED_BY_USER)
