"""Tags on the own training job, for the controller to read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from resilient_training.metadata import collection_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wandb import Run

    from resilient_training.job import Job

_log = logging.getLogger(__name__)
COMPLETED = "resilience:completed"
_CLIENT = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4})


class JobTagStore(Protocol):
    """The tags of the own job. A failure is a warning: it never ends a training."""

    def read(self) -> dict[str, str]:
        """The tags; none where they cannot be read."""

    def write(self, tags: Mapping[str, str]) -> bool:
        """Add or replace tags; False when that failed."""


class NoTags:
    """Outside SageMaker there is nothing to tag."""

    def read(self) -> dict[str, str]:
        return {}

    def write(self, _tags: Mapping[str, str]) -> bool:
        return True


class SageMakerTags:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._arn = job.arn
        self._client = boto3.client("sagemaker", region_name=job.region, config=_CLIENT)

    def read(self) -> dict[str, str]:
        try:
            pages = self._client.get_paginator("list_tags").paginate(ResourceArn=self._own_arn())
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except (BotoCoreError, ClientError) as error:
            _log.warning("the job's tags could not be read: %s", error)
            return {}

    def write(self, tags: Mapping[str, str]) -> bool:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        try:
            self._client.add_tags(ResourceArn=self._own_arn(), Tags=pairs)
        except (BotoCoreError, ClientError) as error:
            _log.warning("the job's tags could not be written: %s", error)
            return False
        return True

    def _own_arn(self) -> str:
        if self._arn is None:
            found = self._client.describe_training_job(TrainingJobName=self._job.name)
            self._arn = str(found["TrainingJobArn"])
        return self._arn


def tags_of(job: Job) -> JobTagStore:
    return SageMakerTags(job) if job.on_sagemaker else NoTags()


class JobMarks:
    """Says on the job which W&B run makes its checkpoints, and whether it has truly ended."""

    def __init__(self, store: JobTagStore) -> None:
        self._store = store
        self._known: dict[str, str] | None = None

    def begun(self, run: Run | None) -> None:
        """Call when the training begins; a run that stores nothing names no checkpoints."""
        stored = run is not None and not (run.offline or run.disabled)
        self.update({**(identity_tags(run) if run and stored else {}), COMPLETED: "no"})

    def completed(self) -> None:
        """Call at the true end: after the last checkpoint is committed and the model is saved."""
        self.update({COMPLETED: "yes"})

    def update(self, tags: Mapping[str, str]) -> None:
        """Write what the job does not say yet."""
        if self._known is None:
            self._known = self._store.read()
        changed = changes(self._known, tags)
        if changed and self._store.write(changed):
            self._known.update(changed)


def changes(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The tags to write; `model-x:best` says `model-x` and more, and is somebody's choice."""
    return {
        key: value
        for key, value in wanted.items()
        if known.get(key) != value and not known.get(key, "").startswith(f"{value}:")
    }


def identity_tags(run: Run) -> dict[str, str]:
    return {
        "WANDB_ENTITY": run.entity,
        "WANDB_PROJECT": run.project or "",
        "WANDB_CHECKPOINT_NAME": collection_of(run.id),
        "WANDB_RUN_ID": run.id,
    }
