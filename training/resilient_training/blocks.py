"""Which W&B run a `resilient` block may continue: each block is a lineage of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wandb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resilient_training.job import Job

_begun: set[str] = set()


class BlockError(Exception):
    """This block would continue a W&B run that belongs to something else."""


def claim_run(job: Job, id_given: str | None, environment: Mapping[str, str]) -> None:
    """Reserve the run for one block; to be called when the environment is settled.

    Raises:
        BlockError: a run is open already, an earlier block of this process had the same run, or
            the controller would look for the checkpoints in another run.
    """
    if wandb.run is not None:
        raise BlockError(
            f"the W&B run {wandb.run.id} is open already: resilient() makes the run itself. Give it"
            " what wandb.init gets (config=, name=, tags=, group=), and close a block before the"
            " next one begins"
        )
    settled = environment.get("WANDB_RUN_ID")
    if job.on_sagemaker and id_given not in (None, settled):
        raise BlockError(
            f"the controller looks for the checkpoints of this job in the W&B run {settled}, not in"
            f" {id_given}: leave id= out, and launch one training job for each lineage"
        )
    run_id = id_given or settled
    if run_id is None:
        return  # W&B makes one up, which no other block has
    if run_id in _begun:
        raise BlockError(
            f"this process has already trained in the W&B run {run_id}: a second block would resume"
            " from the end of the first. Give each block its own id=; on SageMaker launch one"
            " training job for each (folds, sweeps)"
        )
    _begun.add(run_id)
