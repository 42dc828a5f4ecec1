"""One W&B history for all attempts: every row once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import wandb

AXIS = "trainer/global_step"
_ROWS_KEPT = 500

Row = tuple[int, dict[str, Any]]


class History:
    """The rows of a run that is killed and resumed; needs no framework.

    The step of a row is W&B's own step, of which a history holds one row each. After a resume W&B
    says where its history ends: rows up to there are not logged again, and rows that the kill took
    from the SDK's buffer (up to 15 s of them) are logged from the checkpoint, which carries the
    newest ones.
    """

    def __init__(self, run: wandb.Run) -> None:
        self.run = run
        run.define_metric(AXIS)
        run.define_metric("*", step_metric=AXIS, step_sync=True)
        self._rows: deque[Row] = deque(maxlen=_ROWS_KEPT)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log a row of step `step`, unless an earlier attempt has."""
        self._rows.append((step, dict(metrics)))
        self._log_row(step, metrics)

    def newest_rows(self) -> list[Row]:
        """For the checkpoint: plain values only."""
        return list(self._rows)

    def restore(self, rows: Sequence[Row]) -> None:
        """Log the rows of a checkpoint that W&B does not have."""
        self._rows.extend(rows)
        for step, metrics in rows:
            self._log_row(step, metrics)

    def _log_row(self, step: int, metrics: Mapping[str, Any]) -> None:
        if step >= self.run.starting_step:
            self.run.log({**metrics, AXIS: step}, step=step)
