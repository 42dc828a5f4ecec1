"""One W&B history for all attempts: every row once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wandb import Run

_AXIS = "trainer/global_step"
_ROWS_KEPT = 500

Row = tuple[int, dict[str, float]]


class OneHistory(WandbLogger):
    """A WandbLogger for runs that are killed and resumed.

    The logger's step is W&B's own step, of which a history holds one row each. After a resume W&B
    says where its history ends: rows up to there are not logged again, and rows that the kill took
    from the SDK's buffer (up to 15 s of them) are logged from the checkpoint, which carries the
    newest ones. Guaranteed for what goes through `log_metrics` (so `self.log`) and for up to
    500 rows lost.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(experiment=run, save_dir=run.dir)
        run.define_metric(_AXIS)
        run.define_metric("*", step_metric=_AXIS, step_sync=True)
        self._rows: deque[Row] = deque(maxlen=_ROWS_KEPT)

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is None:
            super().log_metrics(metrics)
            return
        self._rows.append((step, dict(metrics)))
        self._log_row(step, metrics)

    def newest_rows(self) -> list[Row]:
        return list(self._rows)

    @rank_zero_only
    def log_again(self, rows: list[Row]) -> None:
        """Log a checkpoint's rows, of which W&B has some."""
        self._rows.extend(rows)
        for step, metrics in rows:
            self._log_row(step, metrics)

    def _log_row(self, step: int, metrics: Mapping[str, float]) -> None:
        run = cast("Run", self.experiment)
        if step >= run.starting_step:
            run.log({**metrics, _AXIS: step}, step=step)
