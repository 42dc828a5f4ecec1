"""Whether a command has gone silent: no output, no new checkpoint and no row in W&B."""

from __future__ import annotations

from dataclasses import dataclass

_HINT_SECONDS = 3600.0
# Of several hosts one is believed to have gone silent after it was heard in as many windows.
_WINDOWS_PER_LIMIT = 4
_RHYTHM = 3


@dataclass
class Silence:
    """Signs of life of one command. All times are of the monotonic clock, in seconds.

    There is no limit unless the user sets one. A limit that is too short kills a healthy training,
    and each of its successors at the same place: the lineage ends with nothing. None costs the time
    until the job's own limit; and where several processes hang, torch's time-outs (10 min for NCCL,
    30 min for gloo) end them before. Nobody but the user knows how long the training may be silent:
    so a long silence without a limit is a line in the log that names the option.

    Of several hosts most are silent by nature: rank 0 speaks in most frameworks, the last rank in
    Megatron. So there a host's silence counts only after a rhythm: it was heard in three quarters
    of a limit, and never was silent for a whole one
    since its first sign of life: how long it loads its model says nothing of its rhythm.

    Attributes:
        limit: How long a silence may be; None: as long as it likes.
        heard_at: The last sign of life; at first, when the command began.
        needs_look: Rows in W&B count as signs of life. A silence is known only when W&B has been
            asked since: while it is away, rows may come that nobody sees.
        needs_rhythm: There are several hosts.
    """

    limit: float | None
    heard_at: float
    needs_look: bool
    needs_rhythm: bool = False
    looked_at: float | None = None
    _began_at: float = 0.0
    _longest: float = 0.0
    _windows: int = 0
    _window: int = -1
    _rows: int | None = None
    _hinted_for: float = _HINT_SECONDS / 2

    def begin(self, at: float) -> None:
        """The command starts: what took so long before was not its silence."""
        self._began_at = self.heard_at = at

    def hear(self, at: float) -> None:
        if at <= self.heard_at:
            return
        if self.heard_at > self._began_at:
            self._longest = max(self._longest, at - self.heard_at)
        self.heard_at = at
        self._hinted_for = _HINT_SECONDS / 2
        if self.limit is not None:
            window = int((at - self._began_at) * _WINDOWS_PER_LIMIT / self.limit)
            self._windows += window != self._window
            self._window = window

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
        if self.needs_rhythm and not self._has_rhythm(self.limit):
            return False
        if not self.needs_look:
            return True
        return self.looked_at is not None and self.looked_at - self.heard_at >= self.limit

    def _has_rhythm(self, limit: float) -> bool:
        return self._windows >= _RHYTHM and self._longest < limit

    def hint_due(self, now: float) -> float | None:
        """Minutes of silence to tell the user of, once for each doubling; None: not now."""
        silent = now - self.heard_at
        if self.limit is not None or silent < 2 * self._hinted_for:
            return None
        self._hinted_for = silent
        return silent / 60
