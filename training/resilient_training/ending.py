"""How the process ends: exit code and failure file as the controller expects them."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import wandb
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from resilient_training.job import CheckpointLoadError

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType, TracebackType

    from lightning.pytorch import LightningModule, Trainer

_log = logging.getLogger(__name__)

FAILED = 1
CHECKPOINT_UNUSABLE = 65
TERMINATED = 128 + signal.SIGTERM
_REASON_LENGTH = 1024


def exit_code_of(error: BaseException) -> int | None:
    """The exit code that an error stands for; None where it brings its own (SystemExit)."""
    match error:
        case SIGTERMException():
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


class GracefulStop(Callback):
    """Gives SIGTERM a meaning from the start.

    PID 1 has no default action for signals. Before the training there is nothing to save, so the
    process leaves at once; while it runs Lightning ends the batch and raises; after it the end is
    near, and stays the end.
    """

    def __init__(self) -> None:
        self._training = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._training:
            raise SystemExit(TERMINATED)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._training = True
