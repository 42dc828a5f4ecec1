"""Versions of a lineage as retention sees them: only what matters to a test is named in it."""

from collections.abc import Iterable

from resilient_training.checkpoints.versions import Version
from resilient_training.job import Job, job_from
from resilient_training.run.retention import Listed

ENTITY, COLLECTION = "team/digits", "team/digits/model-x"


def job_of(attempt: int = 1, pin: str | None = None, step: int = 0, *rejected: str) -> Job:
    environment = {
        "TRAINING_JOB_NAME": name_of(attempt),
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:eu-west-1:1:training-job/{name_of(attempt)}",
        "RESILIENCE_ROOT": "root",
        "RESILIENCE_ATTEMPT": str(attempt),
        "RESILIENCE_REJECTED": " ".join(rejected),
    }
    if pin is not None:
        environment |= {
            "RESILIENCE_CHECKPOINT": f"{COLLECTION}:{pin}",
            "RESILIENCE_CHECKPOINT_STEP": str(step),
        }
    return job_from(environment)


def name_of(attempt: int) -> str:
    return "root" if attempt == 1 else f"root-r{attempt}"


def listed(number: int, step: int | None, *marks: str, attempt: int = 1) -> Listed:
    suspect = any(mark.startswith("suspect") for mark in marks)
    version = Version(
        f"v{number}", f"digest-{number}", step, "0" * 64, name_of(attempt), suspect=suspect
    )
    return Listed(version, marks=frozenset(marks), attempt=attempt)


def saved(*steps: int, attempt: int = 1, first: int = 0) -> list[Listed]:
    """One attempt's versions in their order; the newest bears `latest`."""
    numbered = list(enumerate(steps, first))
    return [
        listed(
            number, step, *(["latest"] if (number, step) == numbered[-1] else []), attempt=attempt
        )
        for number, step in numbered
    ]


def made_by(versions: Iterable[Listed], job: Job) -> list[str]:
    """The versions of the job, as its process knows that made them all."""
    return [one.name for one in versions if one.version.training_job == job.name]
