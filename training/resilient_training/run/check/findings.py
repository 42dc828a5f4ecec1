"""What a check found out, one line for each thing, and the verdict that they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    SAME = "the same"
    NEAR = "differs, plausibly"
    SILENT = "SILENTLY DIFFERENT"
    LOST = "LOST"
    UNKNOWN = "it cannot be checked"

    @property
    def code(self) -> int:
        """As of `python -m resilient_training.check`."""
        return _CODES[self]


_CODES = {
    Verdict.SAME: 0,
    Verdict.SILENT: 1,
    Verdict.LOST: 1,
    Verdict.NEAR: 2,
    Verdict.UNKNOWN: 3,
}


class Mark(Enum):
    OK = "ok"
    BAD = "BAD"
    NONE = "-"


@dataclass(frozen=True)
class Finding:
    """One thing that was seen; its mark is NONE where nothing is right or wrong, or known."""

    name: str
    mark: Mark
    text: str


@dataclass(frozen=True)
class Judged:
    """A verdict on the losses, and the line that says why."""

    verdict: Verdict
    finding: Finding
