"""Teach a small network to read digits, in a way that survives its machine.

Runs unchanged on a laptop, in the local SageMaker and in the real one. Needs W&B to be resumed
from: WANDB_BASE_URL, WANDB_API_KEY (or WANDB_SECRET_NAME, a secret in AWS Secrets Manager).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import wandb
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from digits import DigitReader, DigitsData
from options import parser_for
from resilient_training import (
    CheckpointArtifacts,
    Ending,
    GracefulStop,
    HealthyLoss,
    Job,
    JobTags,
    LossWatch,
    OneHistory,
    ResumePoint,
    RunCheckpoints,
    SavePlan,
    StepSeeds,
    fit,
    folder_from,
    job_from,
    prepare_environment,
    resume_point,
    run_settings,
    tags_of,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lightning.pytorch import LightningModule

_log = logging.getLogger("train")


class Progress(Callback):
    """Lines for whoever reads the log: each epoch, and every few steps how far it is."""

    def __init__(self, every_n_steps: int) -> None:
        self._every_n_steps = every_n_steps

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        _log.info("training from epoch %d, step %d", trainer.current_epoch, trainer.global_step)

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        if trainer.global_step % self._every_n_steps == 0:
            _log.info("at step %d: %s", trainer.global_step, _shown(trainer, "train_loss"))

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        shown = _shown(trainer, *sorted(trainer.callback_metrics))
        _log.info("epoch %d done at step %d: %s", trainer.current_epoch, trainer.global_step, shown)


def _shown(trainer: Trainer, *names: str) -> str:
    """Metrics as launch.py tells SageMaker to read them."""
    measured = trainer.callback_metrics
    return " ".join(f"{name}={float(measured[name]):.4f}" for name in names if name in measured)


def quiet_libraries() -> None:
    torch.set_num_threads(1)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for name in ("lightning", "lightning.pytorch", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (".*does not have many workers.*", ".*isinstance.treespec, LeafSpec.*"):
        warnings.filterwarnings("ignore", message=message)


@dataclass(frozen=True)
class Setup:
    """What one attempt works with."""

    options: argparse.Namespace
    job: Job
    history: OneHistory
    checkpoints: RunCheckpoints


def setup_for(options: argparse.Namespace, job: Job, stop: GracefulStop) -> Setup:
    job.folder.mkdir(parents=True, exist_ok=True)
    folder = os.environ.get("WANDB_DIR") or job.folder
    run = wandb.init(project=options.project, dir=folder, settings=run_settings(stop))
    _log.info("W&B run %s (%s)", run.id, "resumed" if run.resumed else "new")
    return Setup(options, job, OneHistory(run), RunCheckpoints(run, job))


def start_of(setup: Setup, folder: Path) -> ResumePoint | None:
    local = setup.options.resume_from
    if local is not None:
        return ResumePoint(str(local), local, None)
    return resume_point(setup.job, setup.checkpoints, folder)


def train(setup: Setup, stop: GracefulStop, extra_callbacks: Sequence[Callback]) -> None:
    options = setup.options
    tags = JobTags(tags_of(setup.job))
    checkpoints = CheckpointArtifacts(
        SavePlan(
            options.checkpoint_dir,
            attempt=setup.job.attempt,
            every_n_steps=options.checkpoint_every_n_steps,
            every_minutes=options.checkpoint_every_minutes,
            keep=options.keep_checkpoints,
        ),
        setup.checkpoints,
        stop=stop,
    )
    watch = LossWatch(checkpoints, HealthyLoss(options.divergence_factor))
    seeds = StepSeeds(options.seed)
    trainer = Trainer(
        max_epochs=options.epochs,
        logger=setup.history,
        callbacks=[
            stop,
            seeds,
            tags,
            *extra_callbacks,
            watch,
            Progress(options.log_every_n_steps),
            checkpoints,
        ],
        log_every_n_steps=options.log_every_n_steps,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accelerator="auto",
        devices=1,
    )
    torch.manual_seed(options.seed)
    model = DigitReader(options.learning_rate, options.seconds_per_step)
    order = options.seed + setup.job.data_seed_offset
    data = DigitsData(
        options.data, batch_size=options.batch_size, seed=order, images=options.images
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(trainer, model, data, start_of(setup, Path(folder)))
    save_model(model, trainer, options.model_dir)
    tags.completed()


def save_model(model: DigitReader, trainer: Trainer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.pt")
    measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
    about = {"step": trainer.global_step, "epochs": trainer.current_epoch, "metrics": measured}
    (folder / "model.json").write_text(json.dumps(about, indent=2) + "\n")
    _log.info("model saved: %s", folder / "model.pt")


def main(argv: Sequence[str] | None = None, extra_callbacks: Sequence[Callback] = ()) -> None:
    """Train; leaves by SystemExit with the contract's code unless all is done."""
    quiet_libraries()
    with Ending(folder_from(os.environ) / "output" / "failure") as ending:
        stop = GracefulStop(ending)
        options = parser_for(os.environ, str(__doc__)).parse_args(argv)
        job = job_from(os.environ)
        prepare_environment(job)
        train(setup_for(options, job, stop), stop, extra_callbacks)


if __name__ == "__main__":
    main()
