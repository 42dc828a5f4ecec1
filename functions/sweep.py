"""Every few minutes: find the ended jobs whose event never came, and the waits that are overdue."""

import os
import time
from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from resilience import settings
from resilience.adapters.messages import CheckQueue, Topic
from resilience.adapters.parameters import SsmSwitches
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.fleet import sweeping
from resilience.fleet.jobs import Fleet

logger = Logger()
_MOST_NAMES = 50  # in the line of the log: a sweep may find thousands
_AWS_CALLS = Config(
    connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3}
)


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """Sweep once; what it found is told in one line and put on the queue."""
    fleet, own = _start(context.invoked_function_arn)
    left = partial(_seconds_left, context)
    swept = sweeping.sweep(fleet, own, int(time.time()), left)
    found: dict[str, object] = {
        "without_verdict": len(swept.without_verdict),
        "overdue": len(swept.overdue),
        "breaker": str(swept.breaker),
    }
    if swept.cut:
        logger.warning(
            "the sweep ran out of time; the next one goes on", extra={"cut": list(swept.cut)}
        )
    named = {"jobs": [*swept.without_verdict, *swept.overdue][:_MOST_NAMES]}
    logger.info("swept", extra=found | named)
    return found


def _seconds_left(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


@cache
def _start(function_arn: str) -> tuple[Fleet, settings.SweepSettings]:
    _, partition, _, region, account, *_ = function_arn.split(":")
    own = settings.of_sweep(os.environ)
    client = partial(boto3.client, region_name=region, config=_AWS_CALLS)
    arns = f"arn:{partition}:sagemaker:{region}:{account}:training-job/"
    fleet = Fleet(
        jobs=SageMakerTrainingJobs(client("sagemaker"), arns),
        queue=CheckQueue(client("sqs"), own.queue_url, account, region),
        switches=SsmSwitches(
            client("ssm"),
            mode=own.mode_parameter,
            breaker=own.breaker_parameter,
            ceiling=own.mode,
        ),
        alert=Topic(client("sns"), own.topic_arn),
    )
    return fleet, own
