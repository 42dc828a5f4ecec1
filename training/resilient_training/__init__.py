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
        SavePlan,
    )
    from resilient_training.checkpoints.disk import DiskFullError
    from resilient_training.checkpoints.loadable import NotLoadableError
    from resilient_training.checkpoints.resume import ResumePoint, resume_point
    from resilient_training.data.loaders import exact
    from resilient_training.data.position import Position
    from resilient_training.data.randomness import seed_from
    from resilient_training.data.resumable import ResumableLoader
    from resilient_training.ending import Ending, StoppedByUser, Terminated
    from resilient_training.environment import prepare_environment
    from resilient_training.healthy_loss import HealthyLoss, LossDiverged, LossHistory
    from resilient_training.job import CheckpointLoadError, Job, folder_from, job_from
    from resilient_training.lightning.callback import CheckpointArtifacts
    from resilient_training.lightning.divergence import LossWatch
    from resilient_training.lightning.logger import OneHistory
    from resilient_training.lightning.refusals import UnsupportedTrainingError
    from resilient_training.lightning.seeds import StepSeeds
    from resilient_training.stop_request import StopRequest, run_settings
    from resilient_training.tags import JobMarks, tags_of

_HOMES = {
    "checkpoints.artifacts": ("RunCheckpoints",),
    "attempt": ("Attempt", "resilient"),
    "checkpoints.checkpointer": ("Checkpointer", "SavePlan"),
    "checkpoints.disk": ("DiskFullError",),
    "checkpoints.loadable": ("NotLoadableError",),
    "lightning.callback": ("CheckpointArtifacts",),
    "lightning.divergence": ("LossWatch",),
    "ending": ("Ending", "StoppedByUser", "Terminated"),
    "environment": ("prepare_environment",),
    "healthy_loss": ("HealthyLoss", "LossDiverged", "LossHistory"),
    "lightning.logger": ("OneHistory",),
    "job": ("CheckpointLoadError", "Job", "folder_from", "job_from"),
    "data.loaders": ("exact",),
    "data.position": ("Position",),
    "data.randomness": ("seed_from",),
    "data.resumable": ("ResumableLoader",),
    "checkpoints.resume": ("ResumePoint", "resume_point"),
    "lightning.refusals": ("UnsupportedTrainingError",),
    "lightning.seeds": ("StepSeeds",),
    "stop_request": ("StopRequest", "run_settings"),
    "tags": ("JobMarks", "tags_of"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Attempt",
    "CheckpointArtifacts",
    "CheckpointLoadError",
    "Checkpointer",
    "DiskFullError",
    "Ending",
    "HealthyLoss",
    "Job",
    "JobMarks",
    "LossDiverged",
    "LossHistory",
    "LossWatch",
    "NotLoadableError",
    "OneHistory",
    "Position",
    "ResumableLoader",
    "ResumePoint",
    "RunCheckpoints",
    "SavePlan",
    "StepSeeds",
    "StopRequest",
    "StoppedByUser",
    "Terminated",
    "UnsupportedTrainingError",
    "exact",
    "folder_from",
    "job_from",
    "prepare_environment",
    "resilient",
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
