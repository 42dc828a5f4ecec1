"""A Lightning training inside an attempt."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from resilient_training.resume import fit

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule, Trainer

    from resilient_training.attempt import Attempt


def fit_attempt(
    attempt: Attempt, trainer: Trainer, model: LightningModule, data: LightningDataModule
) -> None:
    """`trainer.fit` from the checkpoint to resume from, if there is one.

    Raises:
        CheckpointLoadError: it cannot be fetched, or does not fit the model.
        SIGTERMException: SIGTERM came; the state is saved, and committed if there was time.
        StoppedByUser: a person stopped the run in W&B; as above.
    """
    with TemporaryDirectory() as folder:
        point = attempt.find(Path(folder), os.environ)
        attempt.begin()
        fit(trainer, model, data, point)
