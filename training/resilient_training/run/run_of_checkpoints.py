"""The run of W&B that checkpoints are logged from: `<run>-checkpoints`, beside the training's own.

The training logs to the lineage's run by itself. Two clients of one run lose each other's summary
and history (wandb 0.31, also in shared mode), so the checkpoints have a run of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import wandb

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_training.job import Job

SUFFIX = "-checkpoints"
# In the run's config: a word of the wrapper that began the run last. Only that one may delete.
HOLDER = "resilience_holder"
_FINISH_SECONDS = 30


@dataclass(frozen=True)
class Lineage:
    """Where the checkpoints of one training are; `run` is the id of the training's own run."""

    entity: str
    project: str
    run: str

    @property
    def runs(self) -> frozenset[tuple[str, str, str]]:
        """The runs whose versions are the lineage's own: entity, project and id."""
        ids = (self.run, self.run + SUFFIX)
        return frozenset((self.entity, self.project, one) for one in ids)


def lineage_of(run: wandb.Run) -> Lineage:
    """The lineage that this run of checkpoints belongs to."""
    return Lineage(run.entity, run.project or "", run.id.removesuffix(SUFFIX))


def _ignored() -> None:
    """Nobody listens: the SDK's own way would be an interrupt of this process."""


def begin_run(
    run_id: str,
    entity: str | None = None,
    project: str | None = None,
    *,
    stop: Callable[[], None] = _ignored,
) -> wandb.Run:
    """Begin or continue the run of checkpoints of the training's run `run_id`.

    The SDK puts WANDB_SERVICE into this process's environment: make the command's environment
    before, or leave that name out of it. Else the command shares this run's connection.

    Args:
        run_id: Of the run that the training logs to.
        entity: None: WANDB_ENTITY, else the account's own.
        project: None: WANDB_PROJECT, else W&B's own choice.
        stop: Is called, in a thread of the SDK's, when a person stops this run.

    Raises:
        wandb.errors.CommError, wandb.errors.UsageError: W&B does not answer, or has no key.
    """
    return wandb.init(
        entity=entity,
        project=project,
        id=run_id + SUFFIX,
        name=run_id + SUFFIX,
        group=run_id,
        job_type="checkpoints",
        resume="allow",
        # Measures of this machine and its console are the training's run's to have.
        settings=wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            x_disable_stats=True,
            finish_timeout=_FINISH_SECONDS,
            stop_fn=stop,
            # A failed upload is no person: it never stops the training.
            stop_on_fatal_error=False,
        ),
    )


def root_of(job: Job, lineage: Lineage) -> str:
    """The first part of the lineage's keys in a store: its first job, else its run."""
    return job.root or job.name or lineage.run
