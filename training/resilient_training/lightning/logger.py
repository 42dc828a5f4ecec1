"""One W&B history for all attempts: every row once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from lightning.fabric.utilities.apply_func import convert_tensors_to_scalars
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import Trainer
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
    500 rows lost. The metrics of a validation in mid-epoch (`val_check_interval`) on the very step
    of a checkpoint are in it only when they were logged before: a kill can take them.
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

    def newest_rows(self, to_come: Row | None = None) -> list[Row]:
        return [*self._rows, to_come] if to_come else list(self._rows)

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


def row_to_come(trainer: Trainer) -> Row | None:
    """What Lightning logs of this step when the hook `on_train_batch_end` is through.

    A checkpoint that is made in the hook has the step, so after a resume nobody logs that row.
    """
    connector = trainer._logger_connector  # noqa: SLF001 - no hook comes after the row
    if not connector.should_update_logs:
        return None
    metrics = convert_tensors_to_scalars(connector.metrics["log"])
    if not metrics:
        return None
    step = metrics.pop("step", None)
    if step is not None:
        return int(step), metrics
    step = trainer.fit_loop.epoch_loop._batches_that_stepped  # noqa: SLF001 - as above
    return step, {"epoch": trainer.current_epoch, **metrics}
