"""The checkpoints of one W&B run, through its SDK."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import wandb
from wandb.errors import CommError
from wandb.sdk.artifacts.exceptions import ArtifactStatusError
from wandb.sdk.mailbox.mailbox_handle import HandleAbandonedError

from resilient_training.checkpoints.collection import (
    committed_in,
    is_stored,
    pinned_artifact,
    require_place_of_launch,
)
from resilient_training.checkpoints.held import HeldArtifact, version_from
from resilient_training.checkpoints.metadata import (
    ARTIFACT_TYPE,
    FILE_NAME,
    Metric,
    SavedCheckpoint,
    collection_name,
    metadata_of,
)
from resilient_training.checkpoints.progress import uploaded_bytes
from resilient_training.checkpoints.torch_version import require_safe_torch
from resilient_training.checkpoints.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_training.checkpoints.versions import Version
    from resilient_training.history import History
    from resilient_training.job import Job, Pin

_log = logging.getLogger(__name__)
# HandleAbandonedError: the SDK's service is no more. OSError: nor is the file.
NOT_LOGGED = (CommError, ArtifactStatusError, HandleAbandonedError, ValueError, OSError)


def software() -> dict[str, str]:
    names = ("torch", "lightning", "transformers", "wandb")
    return {name: version_of(name) for name in names if find_spec(name)}


@dataclass(frozen=True)
class RunCheckpoints:
    """The checkpoint collection of one W&B run.

    Attributes:
        history: Of the run; what a checkpoint cannot hold of it (images, tables) is in W&B before
            the checkpoint is.

    Raises:
        CollectionError: the controller would look for the checkpoints in another project.
        UnsafeTorchError: what is saved here could not be loaded safely.
    """

    run: wandb.Run
    job: Job
    aliases: Sequence[str] = ()
    history: History | None = None

    def __post_init__(self) -> None:
        # Both are known before the first step, while whoever launched still looks. Found at the
        # resume they would cost all that was trained, and nobody is awake.
        if self.stored:
            require_safe_torch(version_of("torch"))
            require_place_of_launch(
                self.run,
                self.job,
                "launch with the entity and the project that the script gives to wandb.init",
            )
            self._writer.mark()

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self.run)

    @property
    def stored(self) -> bool:
        """Offline and disabled runs store nothing that could be resumed from."""
        return is_stored(self.run)

    @property
    def name(self) -> str:
        return collection_name(self.run.id, self.job.collection)

    def versions(self) -> list[HeldArtifact]:
        if not self.stored or not self.run.resumed:
            return []  # a run that is new has made none
        return [self._held(artifact) for artifact in self._committed()]

    def _held(self, artifact: wandb.Artifact) -> HeldArtifact:
        run = (self.run.entity, self.run.project or "", self.run.id)
        return HeldArtifact(artifact, version_from(artifact), run)

    def _committed(self) -> list[wandb.Artifact]:
        return committed_in(self.run, self.name)

    def version(self, pin: Pin) -> HeldArtifact:
        return self._held(pinned_artifact(pin))

    def best(self, into: Path) -> Metric | None:
        """Fetch the version of the alias `best` as the file `into`; gives what it was best in.

        Raises:
            CheckpointLoadError: it cannot be fetched, or is not what W&B describes.
        """
        committed = self._committed() if self.stored else []
        held = [self._held(one) for one in committed if "best" in one.aliases]
        own = next((one for one in held if one.is_of_run()), None)
        if own is None:
            return None
        with TemporaryDirectory(dir=into.parent) as folder:
            own.download(Path(folder)).replace(into)
        metric = own.artifact.metadata.get("metric")
        return Metric(**metric) if isinstance(metric, dict) else None

    def commit(self, saved: SavedCheckpoint) -> bool:
        """Log one checkpoint and wait for as long as it takes; False, and a warning, if it fails.

        The SDK's own attempts end: it gives up a server that does not answer after some 20 minutes.
        """
        if self.history is not None:
            self.history.wait_until_stored()
        metadata = metadata_of(saved, self.job, software())
        artifact = wandb.Artifact(self.name, ARTIFACT_TYPE, metadata=metadata)
        aliases = ["latest", *(["best"] if saved.best else []), *self.aliases]
        try:
            artifact.add_file(str(saved.path), FILE_NAME, skip_cache=True, policy="immutable")
            logged = self.run.log_artifact(artifact, aliases=aliases).wait()
        except NOT_LOGGED as error:
            why = str(error) or type(error).__name__
            _log.warning("checkpoint of step %d is NOT in W&B: %s", saved.step, why)
            return False
        _log.info("checkpoint %s of step %d is committed", logged.version, saved.step)
        self._writer.look()
        return True

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload moves; None: nobody can see it."""
        return uploaded_bytes(self.run)

    def by_hand(self, saved: SavedCheckpoint) -> str:
        """The command that brings a checkpoint to W&B later, from the machine that has its file."""
        run = f"{self.run.entity}/{self.run.project}/{self.run.id}"
        return (
            f"python -m resilient_training.upload {run} {saved.path.resolve()}"
            f" --step {saved.step} --epoch {saved.epoch}"
        )

    def bar_after(self, step: int) -> list[str]:
        """Give `suspect-vN` to each version of this attempt beyond `step`; gives their names."""
        barred = []
        try:
            for artifact in self._committed():
                version = version_from(artifact)
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
