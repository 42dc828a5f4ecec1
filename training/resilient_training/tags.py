"""Tags on the own training job, for the controller to read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from typing_extensions import override

from resilient_training.metadata import collection_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import LightningModule, Trainer
    from wandb import Run

    from resilient_training.job import Job

_log = logging.getLogger(__name__)
COMPLETED = "resilience:completed"
_CLIENT = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4})


class TagWriter(Protocol):
    """Adds tags to the own job. A failure is a warning: it never ends a training."""

    def __call__(self, tags: Mapping[str, str], /) -> bool: ...


class NoTags:
    """Outside SageMaker there is nothing to tag."""

    def __call__(self, _tags: Mapping[str, str]) -> bool:
        return True


class SageMakerTags:
    def __init__(self, job: Job) -> None:
        self.job = job
        self._arn = job.arn

    def __call__(self, tags: Mapping[str, str]) -> bool:
        try:
            client = boto3.client("sagemaker", region_name=self.job.region, config=_CLIENT)
            if self._arn is None:
                found = client.describe_training_job(TrainingJobName=self.job.name)
                self._arn = found["TrainingJobArn"]
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            client.add_tags(ResourceArn=self._arn, Tags=pairs)
        except (BotoCoreError, ClientError) as error:
            _log.warning("the job's tags could not be written: %s", error)
            return False
        return True


def tag_writer_for(job: Job) -> TagWriter:
    return SageMakerTags(job) if job.on_sagemaker else NoTags()


class JobTags(Callback):
    """Says on the job which W&B run makes its checkpoints, and whether it has truly ended."""

    def __init__(self, write: TagWriter) -> None:
        self._write = write
        self._written: dict[str, str] = {}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.update({**_identity_of(trainer), COMPLETED: "no"})

    def completed(self) -> None:
        """Call at the true end: after the last checkpoint is committed and the model is saved."""
        self.update({COMPLETED: "yes"})

    def update(self, tags: Mapping[str, str]) -> None:
        changed = {key: value for key, value in tags.items() if self._written.get(key) != value}
        if changed and self._write(changed):
            self._written.update(changed)


def _identity_of(trainer: Trainer) -> dict[str, str]:
    """Empty for runs that store nothing, as a job without checkpoints is not opted in."""
    loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
    runs = [logger.experiment for logger in loggers]
    return next((identity_tags(run) for run in runs if not (run.offline or run.disabled)), {})


def identity_tags(run: Run) -> dict[str, str]:
    return {
        "WANDB_ENTITY": run.entity,
        "WANDB_PROJECT": run.project or "",
        "WANDB_CHECKPOINT_NAME": collection_of(run.id),
        "WANDB_RUN_ID": run.id,
    }
