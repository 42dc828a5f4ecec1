"""Teach a small network to read digits, in a way that survives its machine.

Runs unchanged on a laptop, in the local SageMaker and in the real one. Needs W&B to be resumed
from: WANDB_BASE_URL, WANDB_API_KEY (or WANDB_SECRET_NAME, a secret in AWS Secrets Manager).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from digits import DigitReader, DigitsData, is_mnist
from resilient_training import (
    CheckpointArtifacts,
    Ending,
    GracefulStop,
    Job,
    JobTags,
    OneHistory,
    ResumePoint,
    RunCheckpoints,
    SavePlan,
    StepSeeds,
    fit,
    folder_from,
    job_from,
    resume_point,
    run_id_for,
    tag_writer_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lightning.pytorch import LightningModule

_log = logging.getLogger("train")
_CHANNELS = ("data", "training", "train", "mnist")


def hyperparameters(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The job's hyperparameters: SM_HPS, else SageMaker's file. Values may be JSON-quoted."""
    file = folder / "input" / "config" / "hyperparameters.json"
    text = environment.get("SM_HPS") or (file.read_text() if file.is_file() else "{}")
    return {name.replace("-", "_"): _unquoted(value) for name, value in json.loads(text).items()}


def _unquoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.loads(text) if text.startswith('"') else text


def data_folder(environment: Mapping[str, str], folder: Path) -> Path | None:
    """The channel that holds MNIST's four files, if one does."""
    named = [environment.get(f"SM_CHANNEL_{channel.upper()}") for channel in _CHANNELS]
    channels = [Path(path) for path in named if path]
    channels += [folder / "input" / "data" / channel for channel in _CHANNELS]
    return next((path for path in channels if is_mnist(path)), None)


def parser_for(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    folder = folder_from(environment)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--epochs", type=int, default=5)
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=0.002)
    add("--seed", type=int, default=7)
    add("--checkpoint-every-n-steps", type=int, default=0, help="0: only at each epoch's end")
    add("--checkpoint-every-minutes", type=float, default=5, help="0: not by time")
    add("--keep-checkpoints", type=int, default=2, help="local files that stay")
    add("--log-every-n-steps", type=int, default=5)
    add("--seconds-per-step", type=float, default=0, help="slow down, so that it can be broken")
    add("--project", default=environment.get("WANDB_PROJECT") or "resilient-digits")
    add("--data", type=Path, default=data_folder(environment, folder), help="folder of MNIST")
    add("--model-dir", type=Path, default=environment.get("SM_MODEL_DIR") or folder / "model")
    add("--checkpoint-dir", type=Path, default=folder / "checkpoints")
    add("--resume-from", type=Path, help="a local checkpoint file, where W&B has none")
    known = {action.dest for action in parser._actions}  # noqa: SLF001  # argparse has no public list
    given = hyperparameters(environment, folder)
    parser.set_defaults(**{name: value for name, value in given.items() if name in known})
    return parser


class Progress(Callback):
    """One line per epoch, for whoever reads the log."""

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        _log.info("training from epoch %d, step %d", trainer.current_epoch, trainer.global_step)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        measured = trainer.callback_metrics
        shown = " ".join(f"{name}={float(value):.4f}" for name, value in sorted(measured.items()))
        _log.info("epoch %d done at step %d: %s", trainer.current_epoch, trainer.global_step, shown)


def fetch_key(environment: Mapping[str, str], region: str | None) -> str | None:
    """The W&B key out of Secrets Manager: plain, or as {"WANDB_API_KEY": …}."""
    secret = environment.get("WANDB_SECRET_NAME")
    if not secret or environment.get("WANDB_API_KEY"):
        return None
    client = boto3.client("secretsmanager", region_name=region)
    value: str = client.get_secret_value(SecretId=secret)["SecretString"]
    return str(json.loads(value)["WANDB_API_KEY"]) if value.startswith("{") else value


def prepare_environment(job: Job) -> None:
    """Settle what the W&B SDK reads from the environment, before it starts."""
    key = fetch_key(os.environ, job.region)
    run_id = run_id_for(job, os.environ.get("WANDB_RUN_ID"))
    os.environ.update({"WANDB_API_KEY": key} if key else {})
    os.environ.update({"WANDB_RUN_ID": run_id, "WANDB_RESUME": "allow"} if run_id else {})


def quiet_libraries() -> None:
    torch.set_num_threads(1)
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for name in ("lightning", "lightning.pytorch", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


@dataclass(frozen=True)
class Setup:
    """What one attempt works with."""

    options: argparse.Namespace
    job: Job
    history: OneHistory
    checkpoints: RunCheckpoints


def setup_for(options: argparse.Namespace, job: Job) -> Setup:
    folder = tempfile.gettempdir() if job.on_sagemaker else "outputs"
    history = OneHistory(project=options.project, save_dir=os.environ.get("WANDB_DIR") or folder)
    Path(str(history.save_dir)).mkdir(parents=True, exist_ok=True)
    run = history.experiment
    _log.info("W&B run %s (%s)", run.id, "resumed" if run.resumed else "new")
    return Setup(options, job, history, RunCheckpoints(run, job))


def start_of(setup: Setup, folder: Path) -> ResumePoint | None:
    local = setup.options.resume_from
    if local is not None:
        return ResumePoint(str(local), local, None)
    return resume_point(setup.job, setup.checkpoints, folder)


def train(setup: Setup, stop: GracefulStop, extra_callbacks: Sequence[Callback]) -> None:
    options = setup.options
    tags = JobTags(tag_writer_for(setup.job))
    checkpoints = CheckpointArtifacts(
        SavePlan(
            options.checkpoint_dir,
            attempt=setup.job.attempt,
            every_n_steps=options.checkpoint_every_n_steps,
            every_minutes=options.checkpoint_every_minutes,
            keep=options.keep_checkpoints,
        ),
        setup.checkpoints,
    )
    trainer = Trainer(
        max_epochs=options.epochs,
        logger=setup.history,
        callbacks=[stop, StepSeeds(options.seed), tags, *extra_callbacks, Progress(), checkpoints],
        log_every_n_steps=options.log_every_n_steps,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accelerator="auto",
        devices=1,
    )
    torch.manual_seed(options.seed)
    model = DigitReader(options.learning_rate, options.seconds_per_step)
    data = DigitsData(options.data, batch_size=options.batch_size, seed=options.seed)
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
    options = parser_for(os.environ).parse_args(argv)
    with Ending(folder_from(os.environ) / "output" / "failure"):
        stop = GracefulStop()
        job = job_from(os.environ)
        prepare_environment(job)
        train(setup_for(options, job), stop, extra_callbacks)


if __name__ == "__main__":
    main()
