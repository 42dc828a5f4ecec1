"""The deployment that a replay takes place in."""

from collections.abc import Mapping

from local.in_memory import InMemoryWorld
from resilience import settings


def of(world: InMemoryWorld, environment: Mapping[str, str]) -> settings.Settings:
    """The function's settings: as template.yaml gives them, or as `environment` has them."""
    assumed = _assumed(world.account, world.region)
    told = {name: value for name, value in environment.items() if name.startswith("RESILIENCE_")}
    return settings.of_on_training_ended({**assumed, **told})


def _assumed(account: str, region: str) -> dict[str, str]:
    return {
        "WANDB_BASE_URL": "https://api.wandb.ai",
        "WANDB_SECRET_NAME": "resilience/wandb-api-key",
        "RESILIENCE_MODE": "act",
        "RESILIENCE_MODE_PARAMETER": "/resilience/resilience/mode",
        "RESILIENCE_BREAKER_PARAMETER": "/resilience/resilience/breaker",
        "RESILIENCE_READ_JOB_LOGS": "yes",
        "RESILIENCE_ALLOWED_PROJECTS": "example-team/*",
        "RESILIENCE_ALLOWED_IMAGES": f"{account}.dkr.ecr.*.amazonaws.com/*,"
        "deep-learning-containers.dkr.ecr.*.amazonaws.com/*",
        "RESILIENCE_ALLOWED_STORES": "s3://example-checkpoints/vision/",
        "RESILIENCE_TRAINING_ROLES": f"arn:aws:iam::{account}:role/TrainingRole",
        "RESILIENCE_QUEUE_ARN": f"arn:aws:sqs:{region}:{account}:training-ended",
        "RESILIENCE_DEAD_LETTER_URL": "https://sqs.invalid/dead-letters",
        "RESILIENCE_TOPIC_ARN": f"arn:aws:sns:{region}:{account}:notifications",
        "RESILIENCE_SCHEDULE_GROUP": "waits",
        "RESILIENCE_SCHEDULE_ROLE_ARN": f"arn:aws:iam::{account}:role/WaitSchedule",
    }
