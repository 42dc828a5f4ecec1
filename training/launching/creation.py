"""Having the job created: once, and by a role that may not be known everywhere yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from launching.account import LaunchError
from launching.opt_in import COMPLETION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.client import BaseClient

    from launching.trainer import NamedTrainer

_ROLE_PATIENCE = 12
_PAUSE_SECONDS = 5.0
# What SageMaker says while IAM has not told it of a new role, or of a new policy, everywhere.
_NOT_KNOWN_YET = (
    "assume role",
    "Unauthorized to List objects under S3 URL",
    "Access denied to OutputDataConfig S3 bucket",
    "no identity-based policy allows the s3:ListBucket action",
    "Access denied for repository",
)


def launch(
    sagemaker: BaseClient,
    trainer: NamedTrainer,
    *,
    patience: int = _ROLE_PATIENCE,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Have the job created, unless the very same one is there already.

    While the role and its policy are not known everywhere, SageMaker is asked again every
    5 seconds, `patience` times in all, a minute; each is said.

    Raises:
        LaunchError: another job has the name.
    """
    for attempts_left in reversed(range(patience)):
        try:
            trainer.train(wait=False, logs=False)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceInUse":
                _must_be_the_same(sagemaker, trainer.request())
                return
            if not _is_not_known_yet(error) or not attempts_left:
                raise
            say(f"the role is new to SageMaker, asking again up to {attempts_left} times")
            sleep(_PAUSE_SECONDS)
        else:
            return


def _is_not_known_yet(error: ClientError) -> bool:
    found = error.response["Error"]
    message = found.get("Message", "")
    return found["Code"] == "ValidationException" and any(one in message for one in _NOT_KNOWN_YET)


def _must_be_the_same(sagemaker: BaseClient, request: Mapping[str, Any]) -> None:
    name = request["TrainingJobName"]
    found = sagemaker.describe_training_job(TrainingJobName=name)
    if _asked_for(found) != _asked_for(request):
        raise LaunchError(f"another training job is called {name}: give another --name")


def _asked_for(job: Mapping[str, Any]) -> list[Any]:
    """What tells two trainings apart; Describe adds defaults to the rest."""
    channels = job.get("InputDataConfig", [])
    algorithm = job["AlgorithmSpecification"]
    environment = job.get("Environment") or {}
    return [
        algorithm.get("TrainingImage"),
        algorithm.get("ContainerArguments"),
        # Each launch draws a token of its own.
        {name: value for name, value in environment.items() if name != COMPLETION},
        job.get("HyperParameters") or {},
        sorted(channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels),
    ]
