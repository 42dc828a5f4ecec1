"""Training that a resilience controller can bring back: the training half of docs/contract.md.

What a name needs is imported when the name is first used: a plain loop imports no Lightning, a
Lightning training no transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_training.artifacts import RunCheckpoints
    from resilient_training.attempt import Attempt, resilient
    from resilient_training.checkpointer import (
        Checkpointer,
        CheckpointNotCommittedError,
        SavePlan,
    )
    from resilient_training.checkpoints import CheckpointArtifacts
    from resilient_training.divergence import LossWatch
    from resilient_training.ending import Ending, StoppedByUser, Terminated
    from resilient_training.environment import prepare_environment
    from resilient_training.fitting import fit_attempt
    from resilient_training.healthy_loss import HealthyLoss, LossDiverged, LossHistory
    from resilient_training.history import OneHistory
    from resilient_training.job import CheckpointLoadError, Job, folder_from, job_from
    from resilient_training.job_tags import JobTags
    from resilient_training.randomness import seed_from
    from resilient_training.resume import ResumePoint, fit, resume_point
    from resilient_training.sampler import (
        Position,
        ResumableSampler,
        Share,
        position_of,
        resumable_loader,
    )
    from resilient_training.seeds import StepSeeds
    from resilient_training.stop_request import StopRequest, run_settings
    from resilient_training.stopping import GracefulStop
    from resilient_training.tags import JobMarks, tags_of

_HOMES = {
    "artifacts": ("RunCheckpoints",),
    "attempt": ("Attempt", "resilient"),
    "checkpointer": ("CheckpointNotCommittedError", "Checkpointer", "SavePlan"),
    "checkpoints": ("CheckpointArtifacts",),
    "divergence": ("LossWatch",),
    "ending": ("Ending", "StoppedByUser", "Terminated"),
    "environment": ("prepare_environment",),
    "fitting": ("fit_attempt",),
    "healthy_loss": ("HealthyLoss", "LossDiverged", "LossHistory"),
    "history": ("OneHistory",),
    "job": ("CheckpointLoadError", "Job", "folder_from", "job_from"),
    "job_tags": ("JobTags",),
    "randomness": ("seed_from",),
    "resume": ("ResumePoint", "fit", "resume_point"),
    "sampler": ("Position", "ResumableSampler", "Share", "position_of", "resumable_loader"),
    "seeds": ("StepSeeds",),
    "stop_request": ("StopRequest", "run_settings"),
    "stopping": ("GracefulStop",),
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
    "ResumableSampler",
    "ResumePoint",
    "RunCheckpoints",
    "SavePlan",
    "Share",
    "StepSeeds",
    "StopRequest",
    "StoppedByUser",
    "Terminated",
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
