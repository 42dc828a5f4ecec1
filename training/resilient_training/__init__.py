"""Training that a resilience controller can bring back: the training half of docs/contract.md.

What a name needs is imported when the name is first used: a plain loop imports no Lightning, a
Lightning training no transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_training.attempt import Attempt, resilient
    from resilient_training.checkpoints.artifacts import RunCheckpoints
    from resilient_training.checkpoints.checkpointer import (
        Checkpointer,
        CheckpointNotCommittedError,
        SavePlan,
    )
    from resilient_training.checkpoints.resume import ResumePoint, fit, resume_point
    from resilient_training.data.loaders import exact
    from resilient_training.data.position import Position
    from resilient_training.data.randomness import seed_from
    from resilient_training.data.resumable import ResumableLoader
    from resilient_training.data.sampler import (
        ResumableSampler,
        Share,
        position_of,
        resumable_loader,
    )
    from resilient_training.ending import Ending, StoppedByUser, Terminated
    from resilient_training.environment import prepare_environment
    from resilient_training.healthy_loss import HealthyLoss, LossDiverged, LossHistory
    from resilient_training.job import CheckpointLoadError, Job, folder_from, job_from
    from resilient_training.lightning.callback import CheckpointArtifacts
    from resilient_training.lightning.divergence import LossWatch
    from resilient_training.lightning.fitting import fit_attempt
    from resilient_training.lightning.job_tags import JobTags
    from resilient_training.lightning.logger import OneHistory
    from resilient_training.lightning.seeds import StepSeeds
    from resilient_training.lightning.stopping import GracefulStop
    from resilient_training.stop_request import StopRequest, run_settings
    from resilient_training.tags import JobMarks, tags_of

_HOMES = {
    "checkpoints.artifacts": ("RunCheckpoints",),
    "attempt": ("Attempt", "resilient"),
    "checkpoints.checkpointer": ("CheckpointNotCommittedError", "Checkpointer", "SavePlan"),
    "lightning.callback": ("CheckpointArtifacts",),
    "lightning.divergence": ("LossWatch",),
    "ending": ("Ending", "StoppedByUser", "Terminated"),
    "environment": ("prepare_environment",),
    "lightning.fitting": ("fit_attempt",),
    "healthy_loss": ("HealthyLoss", "LossDiverged", "LossHistory"),
    "lightning.logger": ("OneHistory",),
    "job": ("CheckpointLoadError", "Job", "folder_from", "job_from"),
    "lightning.job_tags": ("JobTags",),
    "data.loaders": ("exact",),
    "data.position": ("Position",),
    "data.randomness": ("seed_from",),
    "data.resumable": ("ResumableLoader",),
    "checkpoints.resume": ("ResumePoint", "fit", "resume_point"),
    "data.sampler": ("ResumableSampler", "Share", "position_of", "resumable_loader"),
    "lightning.seeds": ("StepSeeds",),
    "stop_request": ("StopRequest", "run_settings"),
    "lightning.stopping": ("GracefulStop",),
    "tags": ("JobMarks", "tags_of"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Attempt",
    "CheckpointArtifacts",
    "CheckpointLoadError",
    "CheckpointNotCommittedError",
    "Checkpointer",
    "Ending",
    "GracefulStop",
    "HealthyLoss",
    "Job",
    "JobMarks",
    "JobTags",
    "LossDiverged",
    "LossHistory",
    "LossWatch",
    "OneHistory",
    "Position",
    "ResumableLoader",
    "ResumableSampler",
    "ResumePoint",
    "RunCheckpoints",
    "SavePlan",
    "Share",
    "StepSeeds",
    "StopRequest",
    "StoppedByUser",
    "Terminated",
    "exact",
    "fit",
    "fit_attempt",
    "folder_from",
    "job_from",
    "position_of",
    "prepare_environment",
    "resilient",
    "resumable_loader",
    "resume_point",
    "run_settings",
    "seed_from",
    "tags_of",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
