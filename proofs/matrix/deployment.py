"""The deployment that the matrix runs in: the settings, and the entry started with its world."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from local.in_memory import ACCOUNT, REGION
from proofs.matrix.account import BREAKER, MODE, SECRET
from proofs.matrix.clients import WANDB
from proofs.matrix.subject import ALGORITHM
from resilience import settings, wiring
from resilience.intake import Intake

QUEUE_URL = f"https://sqs.invalid/{ACCOUNT}/training-ended"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:notifications"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/training:1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/TrainingRole"
GRACE = 180
SETTINGS = settings.of_on_training_ended(
    {
        "WANDB_BASE_URL": WANDB,
        "WANDB_SECRET_NAME": SECRET,
        "RESILIENCE_MODE": "act",
        "RESILIENCE_MODE_PARAMETER": MODE,
        "RESILIENCE_BREAKER_PARAMETER": BREAKER,
        "RESILIENCE_MAX_AGE_DAYS": "15",
        "RESILIENCE_READ_JOB_LOGS": "yes",
        "RESILIENCE_ALLOWED_PROJECTS": "example-team/*",
        "RESILIENCE_ALLOWED_IMAGES": f"{IMAGE},{ALGORITHM}",
        "RESILIENCE_TRAINING_ROLES": ROLE,
        # Long enough that a redelivery comes before the schedule that an earlier try left.
        "RESILIENCE_BACKOFF_BASE_SECONDS": "3600",
        "RESILIENCE_QUEUE_ARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:training-ended",
        "RESILIENCE_DEAD_LETTER_URL": f"https://sqs.invalid/{ACCOUNT}/dead-letters",
        "RESILIENCE_TOPIC_ARN": TOPIC_ARN,
        "RESILIENCE_SCHEDULE_GROUP": "waits",
        "RESILIENCE_SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/WaitSchedule",
    }
)
_here = threading.local()


def of_sweep(breaker_failures: int) -> settings.SweepSettings:
    return settings.of_sweep(
        {
            "RESILIENCE_MODE": "act",
            "RESILIENCE_MODE_PARAMETER": MODE,
            "RESILIENCE_BREAKER_PARAMETER": BREAKER,
            "RESILIENCE_MAX_AGE_DAYS": "15",
            "RESILIENCE_ALLOWED_PROJECTS": "example-team/*",
            "RESILIENCE_QUEUE_URL": QUEUE_URL,
            "RESILIENCE_SWEEP_GRACE_SECONDS": str(GRACE),
            "RESILIENCE_TOPIC_ARN": TOPIC_ARN,
            "RESILIENCE_BREAKER_FAILURES": str(breaker_failures),
            "RESILIENCE_BREAKER_WINDOW_SECONDS": "900",
        }
    )


@contextmanager
def entry_wired_here() -> Iterator[None]:
    """Have the entry find its connections made by whoever calls it, see `wired_to`."""
    own, wiring.start = wiring.start, _start  # type: ignore[assignment]
    try:
        yield
    finally:
        wiring.start = own


def wired_to(intake: Intake) -> None:
    """The connections of the entry, for calls in this thread."""
    _here.intake = intake


def _start() -> Intake:
    found: Intake = _here.intake
    return found
