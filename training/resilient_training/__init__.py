"""Training that a resilience controller can bring back: the training half of docs/contract.md."""

from resilient_training.artifacts import RunCheckpoints
from resilient_training.checkpoints import (
    CheckpointArtifacts,
    CheckpointNotCommittedError,
    SavePlan,
)
from resilient_training.ending import Ending, GracefulStop
from resilient_training.environment import prepare_environment
from resilient_training.history import OneHistory
from resilient_training.job import CheckpointLoadError, Job, folder_from, job_from
from resilient_training.resume import ResumePoint, fit, resume_point
from resilient_training.sampler import ResumableSampler, position_of, resumable_loader
from resilient_training.seeds import StepSeeds
from resilient_training.tags import JobTags, tags_of

__all__ = [
    "CheckpointArtifacts",
    "CheckpointLoadError",
    "CheckpointNotCommittedError",
    "Ending",
    "GracefulStop",
    "Job",
    "JobTags",
    "OneHistory",
    "ResumableSampler",
    "ResumePoint",
    "RunCheckpoints",
    "SavePlan",
    "StepSeeds",
    "fit",
    "folder_from",
    "job_from",
    "position_of",
    "prepare_environment",
    "resumable_loader",
    "resume_point",
    "tags_of",
]
