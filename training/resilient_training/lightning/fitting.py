"""A Lightning training inside an attempt."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resilient_training.checkpoints.resume import fit

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.attempt import Attempt


def fit_attempt(
    attempt: Attempt,
    trainer: Trainer,
    model: LightningModule,
    data: Any,  # noqa: ANN401 - the Trainer's own
) -> None:
    """`Attempt.fit`."""
    with TemporaryDirectory() as folder:
        point = attempt.find(Path(folder), os.environ)
        attempt.begin()
        fit(trainer, model, data, point)
