"""A Lightning training inside an attempt: what the trainer lacks is put in, then it is resumed."""

from __future__ import annotations

import logging
import os
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resilient_training.checkpoints.resume import Restoring, loads
from resilient_training.lightning.best import bring_best
from resilient_training.lightning.callback import CheckpointArtifacts
from resilient_training.lightning.callbacks import callbacks_of, those
from resilient_training.lightning.data import ExactData
from resilient_training.lightning.divergence import LossWatch
from resilient_training.lightning.logger import put_history_in
from resilient_training.lightning.loops import put_loop_in
from resilient_training.lightning.refusals import UnsupportedTrainingError, refuse, tell
from resilient_training.lightning.seeds import StepSeeds

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback

    from resilient_training.attempt import Attempt
    from resilient_training.lightning.callbacks import Kind

_log = logging.getLogger(__name__)

_SEED = 0


def fit_attempt(
    attempt: Attempt,
    trainer: Trainer,
    model: LightningModule,
    *data: Any,  # noqa: ANN401 - the Trainer's own
    **more: Any,  # noqa: ANN401 - as above
) -> None:
    """`Attempt.fit`.

    Raises:
        UnsupportedTrainingError: this training could not be resumed; the text says what to do.
    """
    given = signature(trainer.fit).bind(model, *data, **more).arguments
    refuse(trainer)
    _refuse_a_second(attempt)
    tell(trainer, model, attempt.notices)
    with TemporaryDirectory() as folder:
        point = attempt.find(Path(folder), os.environ, loads)
        if point is not None:
            _log.info("resuming from %s at step %s", point.version, point.step)
            given |= {"ckpt_path": str(point.path), "weights_only": True}
        put_in(attempt, trainer)
        with Restoring(point, restores):
            trainer.fit(**given)
    bring_best(attempt, trainer)


def put_in(attempt: Attempt, trainer: Trainer) -> CheckpointArtifacts:
    """Put in what the trainer lacks; what a person has put in stays."""
    put_history_in(trainer, attempt.history)
    seeds = _one(trainer, StepSeeds) or StepSeeds(_seed_of(attempt))
    watch = _one(trainer, LossWatch) or LossWatch(attempt.losses)
    saving = _one(trainer, CheckpointArtifacts) or CheckpointArtifacts(attempt)
    theirs = callbacks_of(trainer)
    ours: list[Callback] = [seeds, watch, saving]
    # First: a loss that is not finite ends the attempt before a ModelCheckpoint saves it.
    theirs[:0] = [one for one in ours if one not in theirs]
    data = ExactData(attempt.data_seed(seeds.base), attempt.notices)
    put_loop_in(trainer, saving, seeds, data)
    return saving


def _one(trainer: Trainer, kind: type[Kind]) -> Kind | None:
    return next(iter(those(trainer, kind)), None)


def _seed_of(attempt: Attempt) -> int:
    if attempt.seed is not None:
        return attempt.seed
    return int(os.environ.get("PL_GLOBAL_SEED") or _SEED)


def _refuse_a_second(attempt: Attempt) -> None:
    if attempt.checkpoints.saved_step >= 0:
        raise UnsupportedTrainingError(
            "a block of resilient() is for one fit: what it saves and resumes is one training."
            " Open a block for each, with a WANDB_RUN_ID of its own"
        )


def restores(file: str, function: str) -> bool:
    """Whether a function of Lightning's, or of a callback, restores a checkpoint."""
    return file in {"checkpoint_connector.py", "callback.py"} and function.startswith(
        ("restore", "_restore")
    )
