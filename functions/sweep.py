"""Every few minutes: find the ended jobs whose event never came, and the waits that are overdue."""

import os
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from resilience import settings, sweeping
from resilience.adapters.messages import CheckQueue
from resilience.adapters.parameters import stack_mode
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.decisions import Mode

logger = Logger()
_AWS_CALLS = Config(
    connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3}
)


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Sweep once; what it found is told in one line and put on the queue."""
    jobs, queue, mode, own = _start(context.invoked_function_arn)
    swept = sweeping.sweep(jobs, queue, own, mode(), int(time.time()))
    logger.info(
        "swept",
        extra={"without_verdict": swept.without_verdict, "overdue": swept.overdue},
    )
    return {"without_verdict": len(swept.without_verdict), "overdue": len(swept.overdue)}


@cache
def _start(
    function_arn: str,
) -> tuple[SageMakerTrainingJobs, CheckQueue, Callable[[], Mode], settings.SweepSettings]:
    _, partition, _, region, account, *_ = function_arn.split(":")
    own = settings.of_sweep(os.environ)
    client = partial(boto3.client, region_name=region, config=_AWS_CALLS)
    arns = f"arn:{partition}:sagemaker:{region}:{account}:training-job/"
    return (
        SageMakerTrainingJobs(client("sagemaker"), arns),
        CheckQueue(client("sqs"), own.queue_url, account, region),
        stack_mode(client("ssm"), own.mode_parameter),
        own,
    )
