"""How long a check waits for what, and what it says meanwhile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resilient_training.run.check.one_run import Progress, Ran

_log = logging.getLogger(__name__)

# Losses that are compared, where there are as many.
WANTED = 5
_FEW = 2
_SHOWN = 3
_FIRST_NOTICE_SECONDS = 30.0
# A training that has printed no loss until its first checkpoint prints none afterwards.
_SILENT_SECONDS = 10.0
_SLOW_SECONDS = 60.0
_REMEDY = "have it save more often for the check (Hugging Face: --save_steps 5 --logging_steps 1)"


class Patience:
    """Decides when enough was seen of each run; it remembers how long the first one took.

    Args:
        parent: The folder of checkpoints.
        layout: The name that --layout gave; None: it is guessed.
    """

    def __init__(self, parent: Path, layout: str | None = None) -> None:
        self._parent = parent
        self._named = layout
        self._next_notice = _FIRST_NOTICE_SECONDS
        self._seconds = 0.0

    def of_run(self, number: int) -> Callable[[Progress], bool]:
        """What says whether enough was seen; of the third run losses alone."""
        self._next_notice = _FIRST_NOTICE_SECONDS
        return {1: self._first, 2: self._second}.get(number, self._third)

    def _first(self, progress: Progress) -> bool:
        if progress.kept_at is None:
            self._say(progress, self._waiting(progress))
            return False
        self._seconds = progress.kept_at - progress.begun
        waited = progress.now - progress.kept_at
        losses = progress.heard.losses
        if not losses:
            return waited >= _SILENT_SECONDS
        kept = progress.delivery.kept
        since = sum(1 for loss in losses if kept is not None and loss.at > kept.written_at)
        slow = waited >= _SLOW_SECONDS and since >= _FEW and len(progress.complete) > 1
        self._say(progress, f"{since} of {WANTED} losses were printed after the checkpoint")
        return since >= WANTED or slow

    def _second(self, progress: Progress) -> bool:
        losses = len(progress.heard.losses)
        late = progress.seconds >= 3 * self._seconds + _SLOW_SECONDS
        if late:
            return True
        self._say(progress, f"{losses} losses after the resume, no new checkpoint yet")
        return bool(progress.complete) and losses >= WANTED

    def _third(self, progress: Progress) -> bool:
        late = progress.seconds >= 3 * self._seconds + _SLOW_SECONDS
        return len(progress.heard.losses) >= WANTED or late

    def _waiting(self, progress: Progress) -> str:
        return f"waits for the first complete checkpoint in {self._parent}: {self._seen(progress)}"

    def _say(self, progress: Progress, what: str) -> None:
        if progress.seconds >= self._next_notice:
            _log.warning("%.0f s: %s; %s", progress.seconds, what, _REMEDY)
            self._next_notice *= 2

    def without_checkpoint(self, ran: Ran) -> str:
        """Why there is nothing to be resumed from, and what to do."""
        seen = "nothing was seen" if ran.progress is None else self._seen(ran.progress)
        if ran.why:
            return f"the training failed before its first checkpoint: {ran.why}"
        if ran.silent:
            return f"nothing was heard for --stalled-after, and no checkpoint is complete: {seen}"
        return (
            f"the training ended with {ran.code} before a checkpoint was complete in"
            f" {self._parent}: {seen}; {_REMEDY}, or give another --layout or --checkpoints"
        )

    def _seen(self, progress: Progress) -> str:
        """The layout and why it was guessed, what each checkpoint lacks, and what else is there."""
        named = "" if self._named is None else f"layout {self._named}, because of --layout"
        notes = [named, *progress.notes(), progress.delivery.refused, self._there()]
        return "; ".join(note for note in notes if note)

    def _there(self) -> str:
        names = [path.name for path in self._parent.iterdir()] if self._parent.is_dir() else []
        shown = ", ".join(sorted(names)[:_SHOWN])
        return f"in it are {shown}" if shown else "there is nothing in it"
