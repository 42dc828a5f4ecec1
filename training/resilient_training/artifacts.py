"""Checkpoints in W&B, through its SDK."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from importlib.metadata import version as version_of
from importlib.util import find_spec
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
# A person writes the first, a training whose loss diverged the second.
_SUSPECT = re.compile(r"suspect(-v\d+)?")


def software() -> dict[str, str]:
    names = ("torch", "lightning", "transformers", "wandb")
    return {name: version_of(name) for name in names if find_spec(name)}


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
        if not self.stored or not self.run.resumed:
            return []  # a run that is new has made none
        return [_version_from(artifact) for artifact in self._committed()]

    def _committed(self) -> list[wandb.Artifact]:
        api = wandb.Api()
        # To ask for the versions of a collection that is missing is an error.
        if not api.artifact_collection_exists(self.collection, ARTIFACT_TYPE):
            return []
        found = api.artifacts(ARTIFACT_TYPE, self.collection)
        return [artifact for artifact in found if artifact.state == "COMMITTED"]

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

    def bar_after(self, step: int) -> list[str]:
        """Give `suspect-vN` to each version of this attempt beyond `step`; gives their names."""
        barred = []
        try:
            for artifact in self._committed():
                version = _version_from(artifact)
                if is_of(self.job, version) and version.step is not None and version.step > step:
                    _bar(artifact)
                    barred.append(version.name)
        except (CommError, ValueError) as error:
            _log.warning("not all suspect checkpoints could be marked: %s", error)
        return sorted(barred, key=lambda name: int(name.removeprefix("v")))


def is_of(job: Job, version: Version) -> bool:
    """Whether this attempt has made the version, or began with it."""
    pinned = job.pin is not None and version.name == job.pin.version
    return pinned or version.training_job == job.name


def _bar(artifact: wandb.Artifact) -> None:
    # An alias is on one version of a collection at a time, so each has one of its own.
    artifact.aliases.append(f"suspect-{artifact.version}")
    artifact.metadata["suspect"] = True
    artifact.save()


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
        suspect=any(_SUSPECT.fullmatch(alias) for alias in artifact.aliases),
    )
