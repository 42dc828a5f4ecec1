"""One W&B history for all attempts: every row once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from resilient_training.arrived import CANNOT_BE_ASKED, Arrived, WandbServer
from resilient_training.plain_values import has_media, plain_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import wandb

_log = logging.getLogger(__name__)

AXIS = "trainer/global_step"
_ROWS_KEPT = 500
# The SDK sends the history every 15 s.
_ARRIVAL_SECONDS = 20.0
_POLL_SECONDS = 1.0

Row = tuple[int, dict[str, Any]]


class History:
    """The rows of a run that is killed and resumed; needs no framework.

    What is logged of one step is one row. It goes to W&B when the next begins, or by `flush`.
    The step of a row is W&B's own step, as long as nobody else moves that on: a `wandb.log` without
    a step does. A row that W&B's step has passed is logged all the same, as a row of its own; its
    place is `trainer/global_step`, the axis of all charts.

    Up to 15 s of rows are in the SDK's buffer when a kill comes. So each checkpoint carries the
    newest 500, as plain values, and a resumed run asks W&B which of them it has, and what it has of
    the steps beyond the checkpoint, which are trained once more: what it has is not logged again.
    Images and tables are in no checkpoint; `wait_until_stored` makes sure that W&B has them.
    """

    def __init__(
        self,
        run: wandb.Run,
        arrived: Arrived | None = None,
        *,
        differs: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Log to `run`.

        Args:
            run: Of W&B.
            arrived: Says what W&B has of the run's history. None: W&B itself.
            differs: Is told what a resume will not give exactly.
        """
        self.run = run
        self._differs = differs
        self._arrived = arrived or WandbServer(run)
        run.define_metric(AXIS)
        run.define_metric("*", step_metric=AXIS, step_sync=True)
        self._rows: deque[Row] = deque(maxlen=_ROWS_KEPT)
        self._asked = False
        self._asked_since = 0
        self._known: Mapping[int, frozenset[str]] = {}
        # W&B would take it at once, and nothing for it once the run was resumed: a SIGTERM between
        # a step and its validation would tear the row of the step in two.
        self._open_step = -1
        # W&B's step behind our newest row: where it is further, somebody else has moved it.
        self._left_at: int | None = None
        self._open: dict[str, Any] = {}
        # W&B's steps: of the newest row with media, of the newest that a checkpoint relies on.
        self._media = -1
        self._relied_on = -1
        self._stored = -1

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log a row of step `step`, or what W&B does not have of it from an earlier attempt."""
        plain = plain_row(metrics)
        if plain:
            self._rows.append((step, plain))
        self._log_row(step, metrics)

    def _say_that_others_log(self, reached: int) -> None:
        if self._left_at is not None and reached > self._left_at:
            self._differs(
                "something logs to W&B beside the attempt (wandb.log): its rows of steps that a"
                " resume trains once more are there twice"
            )

    def newest_rows(self) -> list[Row]:
        """For the checkpoint: numbers, strings and booleans only.

        A row with media is handed to W&B here, so that `wait_until_stored` can wait for it.
        """
        if has_media(self._open):
            self.flush()
        if self._media > self._relied_on:
            if self._media == wandb_step(self.run):
                self.run.log({}, commit=True)
                self._left_at = wandb_step(self.run)
            self._relied_on = self._media
        return list(self._rows)

    def restore(self, rows: Sequence[Row]) -> None:
        """Log the rows of a checkpoint that W&B does not have."""
        self._rows.extend((step, dict(row)) for step, row in rows)
        if rows:
            self._ask_once(min(step for step, _ in rows))
        for step, metrics in rows:
            self._log_row(step, metrics)

    def wait_until_stored(self, seconds: float = _ARRIVAL_SECONDS) -> bool:
        """Wait for the rows with media that the newest checkpoint relies on; whether W&B has them.

        For the thread that uploads. Returns at once where no such row was logged.
        """
        wanted, deadline = self._relied_on, time.monotonic() + seconds
        while self._stored < wanted:
            self._stored = max(self._stored, self._last_stored())
            if time.monotonic() >= deadline:
                break
            if self._stored < wanted:
                time.sleep(_POLL_SECONDS)
        if self._stored < wanted:
            _log.warning("W&B has not got all images and tables yet: a kill now loses them")
        return self._stored >= wanted

    def _last_stored(self) -> int:
        try:
            return self._arrived.last_step()
        except CANNOT_BE_ASKED:
            return -1

    def _log_row(self, step: int, metrics: Mapping[str, Any]) -> None:
        lacking = self._lacking(step, metrics)
        if not lacking:
            return
        if step != self._open_step:
            self.flush()
            self._open_step = step
        self._open.update(lacking)

    def flush(self) -> None:
        """Log the row of the newest step, which more could have come for."""
        step, row, self._open = self._open_step, self._open, {}
        if not row:
            return
        reached = wandb_step(self.run)
        self._say_that_others_log(reached)
        if step >= reached:
            self.run.log({**row, AXIS: step}, step=step)
        else:
            self.run.log({**row, AXIS: step})
        self._left_at = wandb_step(self.run)
        if has_media(row):
            self._media = max(step, reached)

    def _lacking(self, step: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """What W&B does not have of a row."""
        self._ask_once(step)
        if step < self._asked_since:
            return {}
        known = self._known.get(step, frozenset())
        return {key: value for key, value in metrics.items() if not _is_in(known, key, value)}

    def _ask_once(self, since: int) -> None:
        """Ask W&B what it has of the rows from step `since` on; it has all that is older."""
        if self._asked:
            return
        self._asked = True
        if not self.run.resumed:
            return
        self._asked_since = since
        try:
            self._known = self._arrived.names_since(AXIS, since)
        except CANNOT_BE_ASKED as error:
            self._asked_since = self.run.starting_step
            _log.warning(
                "W&B does not say which rows it has (%s): those below step %d are not logged again",
                error,
                self._asked_since,
            )


def _is_in(known: frozenset[str], key: str, value: object) -> bool:
    """W&B writes the metric `a` in the value of `b` as `b.a`."""
    if isinstance(value, Mapping) and value:
        return all(_is_in(known, f"{key}.{inner}", what) for inner, what in value.items())
    return key in known


def wandb_step(run: wandb.Run) -> int:
    """W&B's step of the next row that is logged without one."""
    try:
        # run.step asks the service, which answers when it is through with all that was logged:
        # 1 ms, and longer when the machine is busy. This is what the SDK itself counts by.
        return int(run._local_step)  # noqa: SLF001 - as above
    except AttributeError:
        return run.step
