"""The training job that this process runs in, read once from its environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = re.compile(r"v\d+")
_SEEN = re.compile(r"(?:^|\s)seen=(\d+)(?=\s|$)")
_COLLECTION = re.compile(r"[^/:]+/[^/:]+/[^/:]+")


class CheckpointLoadError(Exception):
    """The pinned checkpoint cannot be resumed from; the message begins with its version."""

    def __init__(self, version: str, why: str) -> None:
        super().__init__(f"{version}: {why}")


class CollectionError(Exception):
    """RESILIENCE_COLLECTION names no place, or not the place where this run's checkpoints go."""


@dataclass(frozen=True)
class Pin:
    """The checkpoint that the controller chose: `entity/project/collection` and `vN`."""

    collection: str
    version: str
    digest: str | None
    step: int | None

    @property
    def name(self) -> str:
        return f"{self.collection}:{self.version}"

    @property
    def number(self) -> int:
        return int(self.version.removeprefix("v"))


@dataclass(frozen=True)
class Job:
    """`name` is None outside SageMaker. `attempt` counts from 1.

    `token` is a secret of this one job. `collection` is `entity/project/collection`, where the
    controller looks for the checkpoints of this lineage, and `seen` the highest version that was
    there when it made this job.
    """

    name: str | None
    arn: str | None
    region: str | None
    root: str | None
    attempt: int
    pin: Pin | None
    rejected: frozenset[str]
    data_seed_offset: int
    folder: Path
    token: str | None = None
    collection: str | None = None
    seen: int | None = None

    @property
    def failure_file(self) -> Path:
        return self.folder / "output" / "failure"

    @property
    def on_sagemaker(self) -> bool:
        return self.name is not None


def job_from(environment: Mapping[str, str]) -> Job:
    """Read the job.

    Raises:
        CheckpointLoadError: RESILIENCE_CHECKPOINT names no version.
        CollectionError: RESILIENCE_COLLECTION names no collection.
    """
    return Job(
        name=environment.get("TRAINING_JOB_NAME") or None,
        arn=environment.get("TRAINING_JOB_ARN") or None,
        region=_region_from(environment),
        root=environment.get("RESILIENCE_ROOT") or None,
        attempt=_whole(environment.get("RESILIENCE_ATTEMPT")) or 1,
        pin=_pin_from(environment),
        rejected=frozenset(_VERSION.findall(environment.get("RESILIENCE_REJECTED", ""))),
        data_seed_offset=_whole(environment.get("RESILIENCE_DATA_SEED_OFFSET")) or 0,
        folder=folder_from(environment),
        token=environment.get("RESILIENCE_COMPLETION_TOKEN") or None,
        collection=_collection_from(environment),
        seen=_seen_from(environment.get("RESILIENCE_LEDGER", "")),
    )


def folder_from(environment: Mapping[str, str]) -> Path:
    """SageMaker's folder; elsewhere one of the same layout below the current directory."""
    inside = environment.get("TRAINING_JOB_NAME")
    return Path(environment.get("SAGEMAKER_BASE_DIR") or ("/opt/ml" if inside else "outputs"))


def _region_from(environment: Mapping[str, str]) -> str | None:
    """Of the container's settings, else of the job's ARN: not every image sets AWS_REGION."""
    _, _, _, of_job, *_ = environment.get("TRAINING_JOB_ARN", "").split(":") + [""] * 4
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or of_job or None


def _collection_from(environment: Mapping[str, str]) -> str | None:
    name = environment.get("RESILIENCE_COLLECTION") or None
    if name is not None and not _COLLECTION.fullmatch(name):
        raise CollectionError(f"RESILIENCE_COLLECTION is not entity/project/collection: {name}")
    return name


def _seen_from(ledger: str) -> int | None:
    return next((_whole(number) for number in _SEEN.findall(ledger)), None)


def _pin_from(environment: Mapping[str, str]) -> Pin | None:
    name = environment.get("RESILIENCE_CHECKPOINT")
    if not name:
        return None
    collection, _, version = name.rpartition(":")
    if collection.count("/") != 2 or not _VERSION.fullmatch(version):  # noqa: PLR2004
        raise CheckpointLoadError(name, "RESILIENCE_CHECKPOINT is not entity/project/collection:vN")
    digest = environment.get("RESILIENCE_CHECKPOINT_DIGEST") or None
    return Pin(collection, version, digest, _whole(environment.get("RESILIENCE_CHECKPOINT_STEP")))


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def run_id_for(job: Job, given: str | None) -> str | None:
    """The W&B run that this process continues: the given one, else one that can be found again.

    Inside SageMaker the SDK makes up a run id of its own unless WANDB_RUN_ID is set, so that a
    restarted container would begin a second run.
    """
    return given or job.root or job.name
