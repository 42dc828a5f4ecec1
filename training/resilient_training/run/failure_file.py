"""The failure file, which SageMaker makes the job's FailureReason of."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from resilient_training.run.ends import FAILED

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_log = logging.getLogger(__name__)
_MOST_BYTES = 1 << 20
# SageMaker keeps as many.
_LENGTH = 1024


def read_text(file: Path) -> str | None:
    """A small file, or the beginning of a large one; None: it is not there, or cannot be read."""
    try:
        with file.open("rb") as content:
            return content.read(_MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return None


@dataclass(frozen=True)
class Changed:
    """A small file that another process may write; what was in it before is no word of that one."""

    file: Path
    before: str | None

    @classmethod
    def since_now(cls, file: Path) -> Self:
        return cls(file, read_text(file))

    def read(self) -> str | None:
        """What was written since; None: nothing."""
        now = read_text(self.file)
        return None if now == self.before else now


def write_failure(file: Path, text: str) -> None:
    """Write the text; a disk that is full changes no exit code."""
    # Outside SageMaker there is no such folder, and nobody to read it.
    if not file.parent.is_dir() or read_text(file) == text:
        return
    try:
        file.write_text(text[:_LENGTH], "utf-8")
    except OSError as error:
        _log.error("the failure file cannot be written: %s", error)


@dataclass(frozen=True)
class Reported:
    """Makes an error that nobody foresaw the exit code and the failure file of the contract."""

    file: Path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception):
            return
        _log.error("resilient-run broke", exc_info=error)
        write_failure(self.file, f"{type(error).__name__}: {error}")
        raise SystemExit(FAILED) from error
