"""The best checkpoint of a Trainer's training: found again where Trainer loads it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from resilient_training.checkpoints.metadata import Metric
from resilient_training.huggingface.packing import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import Trainer

    from resilient_training.attempt import Attempt
    from resilient_training.checkpoints.resume import Checkpoints, HeldVersion

_log = logging.getLogger(__name__)


class BestCheckpointMissingError(Exception):
    """load_best_model_at_end, and the best checkpoint is neither here nor in W&B."""


def metric_at(rows: Sequence[Mapping[str, Any]], step: int, name: str) -> Metric | None:
    """The monitored metric, where it was measured at this very step and is a number."""
    values = (row[name] for row in reversed(rows) if row.get("step") == step and name in row)
    value = next(values, math.nan)
    return None if math.isnan(value) else Metric(name, float(value))


def best_folder(trainer: Trainer) -> Path | None:
    """Where Trainer looks for its best checkpoint."""
    step = trainer.state.best_global_step
    return folder_of(trainer, step) if step else None


def folder_of(trainer: Trainer, step: int) -> Path:
    """Trainer's own folder of a step."""
    return Path(str(trainer.args.output_dir)) / f"checkpoint-{step}"


def bring_best(trainer: Trainer, attempt: Attempt) -> None:
    """Have the best checkpoint lie in the folder where Trainer looks for it.

    Raises:
        BestCheckpointMissingError: it is not to be had.
    """
    step = trainer.state.best_global_step
    if not step or folder_of(trainer, step).is_dir():
        return
    with TemporaryDirectory(dir=trainer.args.output_dir, prefix="unfinished-") as name:
        unpacked = Path(name) / "best"
        unpacked.mkdir()
        found = unpack(_file_of(attempt, step, Path(name)), unpacked)
        if found != step:
            raise BestCheckpointMissingError(f"it is of step {found}, not of step {step}")
        unpacked.rename(folder_of(trainer, step))


def _file_of(attempt: Attempt, step: int, folder: Path) -> Path:
    """The file of the best checkpoint: of this attempt, else out of W&B."""
    checkpoints = attempt.checkpoints
    checkpoints.drain()  # the best may be the one that is being written
    if checkpoints.best_path is not None:
        return checkpoints.best_path
    store = cast("Checkpoints", checkpoints.store)
    held = newest_of_step(store.versions(), step)
    if held is None:
        raise BestCheckpointMissingError(f"no version of step {step} is in W&B")
    _log.info("the best model is that of %s, step %d", held.version.name, step)
    return held.download(folder)


def newest_of_step(made: Sequence[HeldVersion], step: int) -> HeldVersion | None:
    """The newest good version of a step that this run has logged."""
    fitting = [one for one in made if one.version.step == step and not one.version.suspect]
    newest_first = sorted(fitting, key=lambda one: one.version.number, reverse=True)
    return next((one for one in newest_first if one.is_of_run()), None)
