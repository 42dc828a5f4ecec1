"""The commit: one version in W&B, logged last, says that a checkpoint is there as a whole."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from wandb.sdk.artifacts.exceptions import WaitTimeoutError

from resilient_training.checkpoints.artifacts import NOT_LOGGED
from resilient_training.checkpoints.collection import (
    committed_in,
    is_stored,
    pinned_artifact,
    require_place_of_launch,
)
from resilient_training.checkpoints.held import version_from
from resilient_training.checkpoints.metadata import collection_name
from resilient_training.checkpoints.progress import uploaded_bytes
from resilient_training.run.artifact_of_checkpoint import (
    Checkpoint,
    NotCommittedError,
    artifact_of,
    metadata_of,
)
from resilient_training.run.held_files import HeldFiles
from resilient_training.run.run_of_checkpoints import Lineage, lineage_of
from resilient_training.run.store_errors import one_line

if TYPE_CHECKING:
    import wandb

    from resilient_training.job import Job, Pin

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Commits:
    """The checkpoints of one lineage in W&B, as the run of checkpoints `run` sees and makes them.

    Raises:
        CollectionError: the controller would look for the checkpoints in another project.
    """

    run: wandb.Run
    job: Job

    def __post_init__(self) -> None:
        if self.stored:
            remedy = "launch with the entity and the project that the training logs to"
            require_place_of_launch(self.run, self.job, remedy)

    @property
    def stored(self) -> bool:
        """Offline and disabled runs store nothing that could be resumed from."""
        return is_stored(self.run)

    @property
    def lineage(self) -> Lineage:
        return lineage_of(self.run)

    @property
    def name(self) -> str:
        return collection_name(self.lineage.run, self.job.collection)

    def versions(self) -> list[HeldFiles]:
        """The COMMITTED versions of the lineage's collection, whoever made them."""
        if not self.stored:
            return []
        found = committed_in(self.run, self.name)
        return [HeldFiles(one, version_from(one), self.lineage.runs) for one in found]

    def version(self, pin: Pin) -> HeldFiles:
        return Pinned().version(pin)

    def commit(
        self, checkpoint: Checkpoint, source: Path | None = None, seconds: int | None = None
    ) -> str:
        """Log one checkpoint and wait until it is committed; gives its version, `vN`.

        Args:
            checkpoint: What is committed.
            source: The folder that has its files, where they are uploaded; nobody writes there.
            seconds: How long to wait; None: for as long as the SDK tries. What is not committed
                by then may be later.

        Raises:
            NotCommittedError: it is not committed.
        """
        if not self.stored:
            raise NotCommittedError("this run is offline or disabled: nothing is stored")
        metadata = metadata_of(checkpoint, self.job, version_of("wandb"))
        try:
            with TemporaryDirectory() as folder:
                artifact = artifact_of(checkpoint, self.name, metadata, source, Path(folder))
                logged = self.run.log_artifact(artifact, aliases=["latest"]).wait(seconds)
        except (*NOT_LOGGED, WaitTimeoutError) as error:
            raise NotCommittedError(one_line(error)) from error
        return str(logged.version)

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload to W&B moves; None: nobody can see it."""
        return uploaded_bytes(self.run)


class Pinned:
    """Looks up what somebody else chose; needs no run, as on hosts beside the first one."""

    def version(self, pin: Pin) -> HeldFiles:
        artifact = pinned_artifact(pin)
        return HeldFiles(artifact, version_from(artifact))
