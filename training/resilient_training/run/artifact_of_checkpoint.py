"""One checkpoint as an artifact of W&B: metadata, file list, and its files or references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wandb
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry
from wandb.sdk.lib.hashutil import ETag
from wandb.sdk.lib.paths import LogicalPath, URIStr

from resilient_training.checkpoints.metadata import ARTIFACT_TYPE
from resilient_training.checkpoints.seal import seal_of
from resilient_training.run.file_list import LIST_NAME, FileList, ListedFile
from resilient_training.run.held_files import flaw_of
from resilient_training.run.place import reference

if TYPE_CHECKING:
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.place import Place


class NotCommittedError(Exception):
    """The checkpoint is not in W&B; says why. The training is not at fault, and goes on."""


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint whose files were hashed.

    Attributes:
        step: The global step.
        files: What it consists of; in a store, or to be uploaded to W&B.
        processes: How many processes made it (the world size); None: unknown.
        store: Where its files are; None: they are uploaded to W&B.
    """

    step: int
    files: FileList
    processes: int | None = None
    store: Place | None = None

    def __post_init__(self) -> None:
        for file in self.files.files:
            key = None if file.stored is None else file.stored.key
            below = self.store is None if key is None else self._is_below(key)
            if not below:
                raise NotCommittedError(f"{file.path} is at {key}, which is not below {self.store}")

    def _is_below(self, key: str) -> bool:
        return self.store is not None and self.store.holds(self.store.bucket, key)


def metadata_of(checkpoint: Checkpoint, job: Job, wandb_version: str) -> dict[str, Any]:
    """What the controller and a restore read; flat, and far below W&B's limit of 100 keys."""
    files = checkpoint.files
    metadata: dict[str, Any] = {
        "step": checkpoint.step,
        "sha256": files.sha256,
        "attempt": job.attempt,
        "layout": files.layout,
        "folder": files.folder,
        "files": len(files.files),
        "bytes": files.size,
        "processes": checkpoint.processes,
        "store": None if checkpoint.store is None else checkpoint.store.url,
        "training_job": job.name,
        "seal": _seal(checkpoint, job),
        "wandb": wandb_version,
    }
    return {key: value for key, value in metadata.items() if value is not None}


def _seal(checkpoint: Checkpoint, job: Job) -> str | None:
    if job.token is None or job.name is None:
        return None
    return seal_of(job.token, job.name, checkpoint.step, checkpoint.files.sha256)


def artifact_of(
    checkpoint: Checkpoint, name: str, metadata: dict[str, Any], source: Path | None, folder: Path
) -> wandb.Artifact:
    """Compose the artifact; the files of `source` and `folder` must stay until it is logged.

    Raises:
        NotCommittedError: a file is not what its hash says.
        OSError, ValueError: it cannot be read.
    """
    artifact = wandb.Artifact(name, ARTIFACT_TYPE, metadata=metadata)
    path = folder / LIST_NAME
    path.write_bytes(checkpoint.files.to_bytes())
    _add_file(artifact, path, LIST_NAME)
    for file in checkpoint.files.files:
        if checkpoint.store is not None:
            artifact.manifest.add_entry(entry_of(file, checkpoint.store.bucket))
        elif source is not None:
            _add_file(artifact, source / file.path, file.path)
            # After W&B's own hash: both are of the same bytes, and the upload is checked by that.
            _require_unchanged(source, file)
        else:
            raise NotCommittedError(f"{file.path} is neither in a store nor on this disk")
    return artifact


def _add_file(artifact: wandb.Artifact, path: Path, name: str) -> None:
    artifact.add_file(str(path), name, skip_cache=True, policy="immutable")


def _require_unchanged(source: Path, file: ListedFile) -> None:
    if (why := flaw_of(source, file)) is not None:
        raise NotCommittedError(f"{file.path} {why}: somebody writes to it")


def entry_of(file: ListedFile, bucket: str) -> ArtifactManifestEntry:
    """A reference entry as wandb's own `add_reference` makes it, and the sha256.

    Of our making: `add_reference` asks S3 for each object, and drops empty files without a word.

    Raises:
        NotCommittedError: the file is in no store.
    """
    if file.stored is None:
        raise NotCommittedError(f"{file.path} is in no store")
    stored = file.stored
    version = {} if stored.version_id is None else {"versionID": stored.version_id}
    return ArtifactManifestEntry(
        path=LogicalPath(file.path),
        ref=URIStr(reference(bucket, stored.key)),
        digest=ETag(stored.etag),
        size=file.size,
        extra={"etag": stored.etag, **version, "sha256": file.sha256},
    )
