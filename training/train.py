"""Teach a small network to read digits, in a way that survives its machine.

Runs unchanged on a laptop, in the local SageMaker and in the real one. Needs W&B to be resumed
from: WANDB_BASE_URL, WANDB_API_KEY (or WANDB_SECRET_NAME, a secret in AWS Secrets Manager).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from digits import DigitReader, DigitsData
from options import parser_for
from resilient_training import HealthyLoss, resilient

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from lightning.pytorch import LightningModule

    from resilient_training import Attempt

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


def train(attempt: Attempt, options: Namespace, extra_callbacks: Sequence[Callback]) -> None:
    trainer = Trainer(
        max_epochs=options.epochs,
        callbacks=[*extra_callbacks, Progress(options.log_every_n_steps)],
        log_every_n_steps=options.log_every_n_steps,
        enable_checkpointing=False,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accelerator="auto",
        devices=1,
        logger=False,
    )
    torch.manual_seed(options.seed)
    model = DigitReader(options.learning_rate, options.seconds_per_step)
    data = DigitsData(options.data, batch_size=options.batch_size, images=options.images)
    # The local file is where a person wants to begin; a checkpoint in W&B comes before it.
    attempt.fit(trainer, model, data, ckpt_path=options.resume_from)
    save_model(model, trainer, options.model_dir)


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
    options = parser_for(os.environ, str(__doc__)).parse_args(argv)
    with resilient(
        options.project,
        every_n_steps=options.checkpoint_every_n_steps,
        every_minutes=options.checkpoint_every_minutes,
        keep=options.keep_checkpoints,
        folder=options.checkpoint_dir,
        healthy=HealthyLoss(options.divergence_factor),
        seed=options.seed,
    ) as attempt:
        train(attempt, options, extra_callbacks)


if __name__ == "__main__":
    main()
