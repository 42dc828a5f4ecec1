"""The collection of a lineage's checkpoints in W&B, whoever logs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wandb
from wandb.errors import CommError

from resilient_training.checkpoints.metadata import ARTIFACT_TYPE
from resilient_training.job import CheckpointLoadError, CollectionError, Job, Pin

if TYPE_CHECKING:
    from wandb import Artifact, Run


def is_stored(run: Run) -> bool:
    """Offline and disabled runs store nothing that could be resumed from."""
    return not (run.offline or run.disabled)


def require_place_of_launch(run: Run, job: Job, remedy: str) -> None:
    """Refuse a run in another project than where the controller looks.

    Args:
        run: That logs the checkpoints.
        job: Whose launch may name the collection.
        remedy: What to launch with.

    Raises:
        CollectionError: it is in another one.
    """
    place = f"{run.entity}/{run.project}"
    if job.collection is not None and job.collection.rpartition("/")[0] != place:
        raise CollectionError(
            f"the W&B run is in {place}, RESILIENCE_COLLECTION says {job.collection}: {remedy}"
        )


def committed_in(run: Run, name: str) -> list[Artifact]:
    """The COMMITTED versions of a collection in the run's project, whoever made them."""
    api, collection = wandb.Api(), f"{run.entity}/{run.project}/{name}"
    # To ask for the versions of a collection that is missing is an error.
    if not api.artifact_collection_exists(collection, ARTIFACT_TYPE):
        return []
    found = api.artifacts(ARTIFACT_TYPE, collection)
    return [artifact for artifact in found if artifact.state == "COMMITTED"]


def pinned_artifact(pin: Pin) -> Artifact:
    """One version by name.

    Raises:
        CheckpointLoadError: W&B says that there is none.
        CommError, ValueError: W&B does not say.
    """
    try:
        artifact: Artifact = wandb.Api().artifact(pin.name, type=ARTIFACT_TYPE)
    except (CommError, ValueError) as error:
        if "not found" not in str(error):
            raise
        raise CheckpointLoadError(pin.version, str(error)) from error
    return artifact
