"""A plain training whose newest checkpoint is damaged, on a machine without a controller."""

import hashlib
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from resilient_training.attempt import Attempt
from resilient_training.check.store import FolderStore
from resilient_training.checkpoints.checkpointer import SavePlan
from resilient_training.ending import Ending
from resilient_training.healthy_loss import HealthyLoss, LossHistory
from resilient_training.history import History
from resilient_training.job import CheckpointLoadError, job_from
from resilient_training.notices import Notices
from resilient_training.stop_request import StopRequest
from tests.unit.small_training import EachSave, Run


def attempt_in(folder: Path) -> Attempt:
    run = cast("Any", Run())
    checkpoints = EachSave(SavePlan(folder / "disk"), FolderStore(folder / "store"))
    losses = LossHistory(HealthyLoss(), checkpoints.bar_after)
    stop = StopRequest(Ending(folder / "failure"))
    return Attempt(job_from({}), run, checkpoints, losses, stop, History(run), Notices(run))


def train_to(step: int, folder: Path) -> None:
    attempt = attempt_in(folder)
    attempt.resume(model=nn.Linear(2, 2))
    for made in range(1, step + 1):
        attempt.after_step(made, 0, epoch_ends=True)
    assert attempt.checkpoints.finish()


def spoil(file: Path) -> None:
    """As somebody who writes the metadata as well: only a load finds it out."""
    torch.save({"step": 3, "path": file}, file)
    metadata = file.with_name("metadata.json")
    text = metadata.read_text()
    before, after = text.split('"sha256": "')
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    metadata.write_text(f'{before}"sha256": "{digest}{after[64:]}')


def test_a_checkpoint_that_cannot_be_loaded_is_tried_before_the_training_gets_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train_to(3, tmp_path)
    spoil(tmp_path / "store" / "v2" / "model.ckpt")
    assert attempt_in(tmp_path).resume(model=nn.Linear(2, 2)) == 2
    assert "walking back from a checkpoint that cannot be resumed from: v2: " in caplog.text


def test_a_checkpoint_that_fits_no_part_is_an_error_at_once(tmp_path: Path) -> None:
    """The code has changed: an older checkpoint would fit no better."""
    train_to(3, tmp_path)
    with pytest.raises(CheckpointLoadError, match=r"^v2: "):
        attempt_in(tmp_path).resume(model=nn.Linear(3, 3))
