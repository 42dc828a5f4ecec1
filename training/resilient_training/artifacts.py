"""Checkpoints in W&B, through its SDK."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

import wandb
from wandb.errors import CommError
from wandb.sdk.artifacts.exceptions import ArtifactStatusError, WaitTimeoutError

from resilient_training.job import CheckpointLoadError, Job, Pin
from resilient_training.metadata import (
    ARTIFACT_TYPE,
    FILE_NAME,
    SavedCheckpoint,
    collection_of,
    metadata_of,
)
from resilient_training.resume import Version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
_COMMIT_TIMEOUT = 300


def software() -> dict[str, str]:
    return {name: version_of(name) for name in ("torch", "lightning", "wandb")}


@dataclass(frozen=True)
class RunCheckpoints:
    """The checkpoint collection of one W&B run."""

    run: wandb.Run
    job: Job
    aliases: Sequence[str] = ()

    @property
    def stored(self) -> bool:
        """Offline and disabled runs store nothing that could be resumed from."""
        return not (self.run.offline or self.run.disabled)

    @property
    def collection(self) -> str:
        return f"{self.run.entity}/{self.run.project}/{collection_of(self.run.id)}"

    def versions(self) -> list[Version]:
        # A run that is new has no collection yet, and asking for one that is missing is an error.
        if not self.stored or not self.run.resumed:
            return []
        api = wandb.Api()
        collection = collection_of(self.run.id)
        if not api.artifact_collection_exists(self.collection, ARTIFACT_TYPE):
            return []
        found = api.artifacts(ARTIFACT_TYPE, f"{self.run.entity}/{self.run.project}/{collection}")
        return [_version_from(artifact) for artifact in found if artifact.state == "COMMITTED"]

    def version(self, pin: Pin) -> Version:
        return _version_from(_artifact(pin.name, pin.version))

    def download(self, version: Version, folder: Path) -> Path:
        artifact = _artifact(f"{version.collection}:{version.name}", version.name)
        if FILE_NAME not in artifact.manifest.entries:
            raise CheckpointLoadError(version.name, f"the artifact has no file {FILE_NAME}")
        try:
            artifact.download(root=str(folder), skip_cache=True)
        except ValueError as error:
            raise CheckpointLoadError(version.name, str(error)) from error
        return folder / FILE_NAME

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Log one checkpoint and wait until it is COMMITTED; False, and a warning, if it is not."""
        metadata = metadata_of(saved, self.job, software())
        artifact = wandb.Artifact(collection_of(self.run.id), ARTIFACT_TYPE, metadata=metadata)
        artifact.add_file(str(saved.path), FILE_NAME, skip_cache=True, policy="immutable")
        aliases = ["latest", *(["best"] if saved.best else []), *self.aliases]
        try:
            logged = self.run.log_artifact(artifact, aliases=aliases).wait(_COMMIT_TIMEOUT)
        except (CommError, WaitTimeoutError, ArtifactStatusError, ValueError, OSError) as error:
            _log.warning("checkpoint of step %d is NOT in W&B: %s", saved.step, error)
            return False
        _log.info("checkpoint %s of step %d is committed", logged.version, saved.step)
        return True


def _artifact(name: str, version: str) -> wandb.Artifact:
    try:
        artifact: wandb.Artifact = wandb.Api().artifact(name, type=ARTIFACT_TYPE)
    except (CommError, ValueError) as error:
        if "not found" not in str(error):
            raise
        raise CheckpointLoadError(version, str(error)) from error
    return artifact


def _version_from(artifact: wandb.Artifact) -> Version:
    metadata = artifact.metadata
    step = metadata.get("step")
    return Version(
        name=artifact.version,
        collection=artifact.source_qualified_name.rpartition(":")[0],
        digest=artifact.digest,
        step=step if isinstance(step, int) else None,
        sha256=metadata.get("sha256"),
        training_job=metadata.get("training_job"),
    )
