"""What an artifact says about its checkpoint: the metadata of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resilient_training.checkpoints.seal import seal_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resilient_training.job import Job

ARTIFACT_TYPE = "model"
FILE_NAME = "model.ckpt"


@dataclass(frozen=True)
class Metric:
    name: str
    value: float


@dataclass(frozen=True)
class SavedCheckpoint:
    path: Path
    step: int
    epoch: int
    sha256: str
    metric: Metric | None
    best: bool
    size: int = 0


def collection_name(run_id: str, wanted: str | None) -> str:
    """The collection of a run's checkpoints; `wanted` is `entity/project/collection`."""
    return f"model-{run_id}" if wanted is None else wanted.rpartition("/")[2]


def metadata_of(saved: SavedCheckpoint, job: Job, versions: Mapping[str, str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "step": saved.step,
        "epoch": saved.epoch,
        "sha256": saved.sha256,
        "attempt": job.attempt,
        **versions,
    }
    if job.name is not None:
        metadata["training_job"] = job.name
        if job.token is not None:
            metadata["seal"] = seal_of(job.token, job.name, saved.step, saved.sha256)
    if saved.metric is not None:
        metadata["metric"] = {"name": saved.metric.name, "value": saved.metric.value}
    return metadata
