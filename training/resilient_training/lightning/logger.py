"""One W&B history for all attempts of a Lightning training: every row once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import Trainer

    from resilient_training.history import History

_log = logging.getLogger(__name__)


class OneHistory(WandbLogger):
    """A WandbLogger whose rows go through the attempt's `History`; logs no models."""

    def __init__(self, history: History, *, save_dir: str = ".", prefix: str = "") -> None:
        run = history.run
        super().__init__(
            experiment=run, save_dir=save_dir, project=run.project or None, prefix=prefix
        )
        self.history = history

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        if step is None:
            super().log_metrics(metrics)
        elif self._prefix:
            prefix = f"{self._prefix}{self.LOGGER_JOIN_CHAR}"
            self.history.log({f"{prefix}{name}": metrics[name] for name in metrics}, step)
        else:
            self.history.log(metrics, step)


def put_history_in(trainer: Trainer, history: History) -> None:
    """Have the trainer log to the attempt's run, in the place of a WandbLogger or beside others."""
    loggers = [_ours_for(one, history) for one in trainer.loggers]
    if not any(isinstance(one, OneHistory) for one in loggers):
        loggers.append(OneHistory(history, save_dir=trainer.default_root_dir))
    trainer.loggers = loggers


def _ours_for(logger: Any, history: History) -> Any:  # noqa: ANN401 - of whatever class it is
    if not isinstance(logger, WandbLogger) or isinstance(logger, OneHistory):
        return logger
    _log.info(
        "the trainer's WandbLogger is replaced: its rows go to the run %s of the attempt, whose "
        "project, name, tags and config are those given to resilient(); log_model has no effect",
        history.run.id,
    )
    # Whoever holds the old one logs media or watches gradients by it: in the same run.
    logger._experiment = history.run  # noqa: SLF001 - it would begin a run of its own
    ours = OneHistory(history, save_dir=logger.save_dir or ".", prefix=logger._prefix)  # noqa: SLF001
    ours._checkpoint_name = logger._checkpoint_name  # noqa: SLF001 - has no getter
    return ours
