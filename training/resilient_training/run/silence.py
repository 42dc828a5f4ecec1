"""Whether a command has gone silent: no output, no new checkpoint and no row in W&B."""

from __future__ import annotations

from dataclasses import dataclass

_HINT_SECONDS = 3600.0


@dataclass
class Silence:
    """Signs of life of one command. All times are of the monotonic clock, in seconds.

    There is no limit unless the user sets one. A limit that is too short kills a healthy training,
    and each of its successors at the same place: the lineage ends with nothing. None costs the time
    until the job's own limit; and where several processes hang, torch's time-outs (10 min for NCCL,
    30 min for gloo) end them before. Nobody but the user knows how long the training may be silent:
    so a long silence without a limit is a line in the log that names the option.

    Attributes:
        limit: How long a silence may be; None: as long as it likes.
        needs_look: Rows in W&B count as signs of life. A silence is known only when W&B has been
            asked since: while it is away, rows may come that nobody sees.
    """

    limit: float | None
    heard_at: float
    needs_look: bool
    looked_at: float | None = None
    _rows: int | None = None
    _hinted_for: float = _HINT_SECONDS / 2

    def hear(self, at: float) -> None:
        if at > self.heard_at:
            self.heard_at = at
            self._hinted_for = _HINT_SECONDS / 2

    def look(self, at: float, rows: int | None) -> None:
        """Take how many rows W&B has at this time; None: it has no such run, or does not say."""
        self.looked_at = at
        if rows is not None and rows != self._rows:
            if self._rows is not None:
                self.hear(at)
            self._rows = rows

    def is_over_limit(self, now: float) -> bool:
        """Whether it has been silent for longer than the limit, as far as all of it is known."""
        if self.limit is None or now - self.heard_at < self.limit:
            return False
        if not self.needs_look:
            return True
        return self.looked_at is not None and self.looked_at - self.heard_at >= self.limit

    def hint_due(self, now: float) -> float | None:
        """Minutes of silence to tell the user of, once for each doubling; None: not now."""
        silent = now - self.heard_at
        if self.limit is not None or silent < 2 * self._hinted_for:
            return None
        self._hinted_for = silent
        return silent / 60
