"""The check as a line in a test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resilient_training.check.command import check, places
from resilient_training.check.processes import Command
from resilient_training.check.table import lines_of
from resilient_training.check.trial import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence


def assert_resumes_exactly(
    *command: str | Path,
    steps: int = 20,
    kill_at: Sequence[int] = (),
    sigterm_at: Sequence[int] = (),
    compare: Sequence[str] = (),
    seconds: float = 600,
) -> None:
    """Break a training, resume it, and fail where it does not end as an unbroken one.

    Args:
        command: A script and its options, or a whole command.
        steps: Optimizer steps after which each training ends, saved.
        kill_at: kill -9 at these steps; none, and no `sigterm_at`: at half of the steps.
        sigterm_at: SIGTERM at these steps.
        compare: Files that the training writes at its own end, to be compared as well.
        seconds: For one process of the training.

    Raises:
        AssertionError: it ends otherwise and no line said so, or not at all; with the table.
        NotCheckedError: it does not let itself be checked; the message says why.
    """
    words = [str(word) for word in command]
    if words[0].endswith(".py"):
        words = [sys.executable, *words]
    kills = kill_at or (() if sigterm_at else (max(1, steps // 2),))
    wanted = list(places(kills, sigterm_at))
    found = check(Command(words, Path.cwd(), seconds), wanted, steps=steps, results=compare)
    bad = [
        line
        for title, outcome in found
        if outcome.verdict in {Verdict.SILENT, Verdict.LOST}
        for line in lines_of(title, outcome)
    ]
    if bad:
        raise AssertionError("\n".join(["a resumed training ends otherwise:", *bad]))
