"""Tags on the own training job, for the controller to read."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from resilient_training.checkpoints.metadata import collection_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient
    from wandb import Run

    from resilient_training.job import Job

_log = logging.getLogger(__name__)
COMPLETED = "resilience:completed"
# A job with this tag is opted in, and its other tags name the place that the launcher means.
OPTED_IN = "WANDB_PROJECT"
_CLIENT = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 4})


@dataclass(frozen=True)
class Unreadable:
    """The job may bear any tags: unknown is not empty."""


class JobTagStore(Protocol):
    """The tags of the own job. A failure is a warning: it never ends a training."""

    @property
    def done(self) -> str:
        """The value of the completion mark that stands for the true end."""

    @property
    def collection(self) -> str | None:
        """Where the launch said that the checkpoints go, `entity/project/collection`."""

    def read(self) -> dict[str, str] | Unreadable:
        """The tags that the job bears."""

    def write(self, tags: Mapping[str, str]) -> bool:
        """Add or replace tags; False when that failed."""


class NoTags:
    """Outside SageMaker there is nothing to tag."""

    done = "yes"
    collection = None

    def read(self) -> dict[str, str]:
        return {}

    def write(self, _tags: Mapping[str, str]) -> bool:
        return True


@dataclass(frozen=True)
class SageMakerTags:
    client: BaseClient
    arn: str
    done: str = "yes"
    collection: str | None = None

    def read(self) -> dict[str, str] | Unreadable:
        try:
            pages = self.client.get_paginator("list_tags").paginate(ResourceArn=self.arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except (BotoCoreError, ClientError) as error:
            _log.warning("the job's tags could not be read (sagemaker:ListTags): %s", error)
            return Unreadable()

    def write(self, tags: Mapping[str, str]) -> bool:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        try:
            self.client.add_tags(ResourceArn=self.arn, Tags=pairs)
        except (BotoCoreError, ClientError) as error:
            _log.warning("the job's tags could not be written (sagemaker:AddTags): %s", error)
            return False
        return True


def tags_of(job: Job) -> JobTagStore:
    """The tags of the job; outside SageMaker, and where it cannot be reached, there are none."""
    if job.name is None:
        return NoTags()
    if job.arn is None:
        # Its name alone would do with sagemaker:DescribeTrainingJob, which shows a job's secrets.
        _log.warning("TRAINING_JOB_ARN is not in the environment: the job will not be tagged")
        return NoTags()
    try:
        client = boto3.client("sagemaker", region_name=job.region, config=_CLIENT)
    except (BotoCoreError, ValueError) as error:  # ValueError: AWS_ENDPOINT_URL is no address
        _log.warning("the job will not be tagged: %s", error)
        return NoTags()
    return SageMakerTags(client, job.arn, done_mark(job.token), job.collection)


def done_mark(token: str | None) -> str:
    """What only this job can say at its end, where the launch gave it a token."""
    return "yes" if token is None else hashlib.sha256(token.encode()).hexdigest()


class JobMarks:
    """Says on the job which W&B run makes its checkpoints, and whether it has truly ended."""

    def __init__(self, store: JobTagStore) -> None:
        self._store = store
        self._known: dict[str, str] | Unreadable = Unreadable()

    def begun(self, run: Run | None) -> None:
        """Call when the training begins; a run that stores nothing names no checkpoints."""
        stored = run is not None and not (run.offline or run.disabled)
        identity = identity_tags(run, self._store.collection) if run and stored else {}
        self.update({**identity, COMPLETED: "no"})

    def completed(self) -> None:
        """Call at the true end: after the last checkpoint is committed and the model is saved."""
        self.update({COMPLETED: self._store.done})

    def update(self, tags: Mapping[str, str]) -> None:
        """Write what the job does not say yet."""
        if isinstance(self._known, Unreadable):
            self._known = self._store.read()
        for key in contradicted(self._known, tags):
            _log.warning("the job's tag %s is not that of this run: it stays as it is", key)
        changed = changes(self._known, tags)
        if changed and self._store.write(changed) and not isinstance(self._known, Unreadable):
            self._known.update(changed)


def changes(known: Mapping[str, str] | Unreadable, wanted: Mapping[str, str]) -> dict[str, str]:
    """The tags to write.

    The completion mark is this job's to change. What names the place of its checkpoints is written
    only to a job that is not opted in: the launcher's choice stays, and a person's
    (`model-x:best`); so it does where the tags cannot be read.
    """
    mark = {key: value for key, value in wanted.items() if key == COMPLETED}
    if isinstance(known, Unreadable):
        return mark
    added = {} if OPTED_IN in known else {key: wanted[key] for key in wanted.keys() - known.keys()}
    return {key: value for key, value in {**added, **mark}.items() if known.get(key) != value}


def contradicted(known: Mapping[str, str] | Unreadable, wanted: Mapping[str, str]) -> list[str]:
    """The tags by which the controller would look elsewhere than where this run saves."""
    if isinstance(known, Unreadable):
        return []
    both = wanted.keys() & known.keys() - {COMPLETED}
    return sorted(key for key in both if known[key].partition(":")[0] != wanted[key])


def identity_tags(run: Run, collection: str | None) -> dict[str, str]:
    return {
        "WANDB_ENTITY": run.entity,
        OPTED_IN: run.project or "",
        "WANDB_CHECKPOINT_NAME": collection_name(run.id, collection),
        "WANDB_RUN_ID": run.id,
    }
