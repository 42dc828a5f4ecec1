"""A Hugging Face training inside an attempt."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from resilient_training.checkpoints.resume import Restoring
from resilient_training.huggingface.arguments import arrange, take_out_wandb
from resilient_training.huggingface.check_packed import check_packed
from resilient_training.huggingface.continuation import read
from resilient_training.huggingface.loop import ResumableLoop
from resilient_training.huggingface.packing import unpack
from resilient_training.huggingface.saving import Saving

if TYPE_CHECKING:
    from transformers import Trainer

    from resilient_training.attempt import Attempt


def train(trainer: Trainer, attempt: Attempt) -> None:
    """`trainer.train()` from the checkpoint to resume from, if there is one.

    Raises:
        UnsupportedTrainerError: this Trainer cannot be brought back; the message says what to set.
        CheckpointLoadError: it cannot be fetched, unpacked, or does not fit the trainer.
        LossDiverged: a logged loss is no healthy one.
        Terminated: SIGTERM came; the state is saved, and committed if there was time.
        StoppedByUser: a person stopped the run in W&B; as above.
    """
    arrange(trainer, attempt)
    renamed = take_out_wandb(trainer, attempt)
    loop = ResumableLoop(trainer, attempt, Saving.of(trainer, attempt), renamed=renamed)
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, loop.around():
        folder = Path(name) / "checkpoint"
        step = attempt.resume_file(lambda path: _load(path, folder, loop), check_packed)
        with Restoring(attempt.resumed_from, _restores):
            trainer.train(resume_from_checkpoint=None if step is None else str(folder))
    attempt.stop.training_is_over()


def _load(path: Path, folder: Path, loop: ResumableLoop) -> int:
    folder.mkdir()
    step = unpack(path, folder)
    memory, loop.resumed = read(folder)
    loop.unpacked = folder
    loop.attempt.recall(memory)
    return step


def _restores(file: str, function: str) -> bool:
    return file == "trainer.py" and function in _LOADING


_LOADING = (
    "_load_from_checkpoint",
    "_load_optimizer_and_scheduler",
    "_load_scaler",
    "_load_rng_state",
    "_load_callback_state",
    "load_from_json",
)
