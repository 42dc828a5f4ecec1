"""A training job has ended, somebody says: decide what becomes of it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from resilience import settings, telemetry
from resilience.adapters import graphql
from resilience.adapters.job_logs import LOG_CALLS, CloudWatchJobLogs
from resilience.adapters.messages import (
    LEAD_SECONDS,
    DeadLetterQueue,
    OneShotSchedules,
    Topic,
)
from resilience.adapters.parameters import stack_switches, wandb_key, wandb_trust
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.intake import Intake, take
from resilience.ports import World

if TYPE_CHECKING:
    from logging import Logger

# Sized to the function's timeout of 60 s: the slowest way through is a handful of calls.
AWS_CALLS = Config(
    connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3}
)
_WAVE_WIDTH = 3
_SHORTEST_LEAD_SECONDS = 10  # a call of CreateSchedule may take a few


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take each message of the batch on its own: one that must come again holds up no other."""
    intake = start()
    return process_partial_response(
        event=event,
        record_handler=partial(_take, intake=intake),
        processor=BatchProcessor(
            EventType.SQS,
            raise_on_entire_batch_failure=False,
            logger=cast("Logger", telemetry.logger),
        ),
        context=context,
    )


def _take(record: SQSRecord, intake: Intake) -> None:
    take(record.body, intake)


@cache
def start() -> Intake:
    """Connect the controller to its account and region, which are those of its queue."""
    own = settings.of_on_training_ended(os.environ)
    _, partition, _, region, account, *_ = own.queue_arn.split(":")
    client = partial(boto3.client, region_name=region, config=AWS_CALLS)
    ssm = client("ssm")
    pool = graphql.pool(wandb_trust(ssm, own.wandb_ca_parameter))
    sagemaker_arns = f"arn:{partition}:sagemaker:{region}:{account}:training-job/"
    key = wandb_key(client("secretsmanager"), own.wandb_secret_name)

    def now() -> int:
        return int(time.time())

    return Intake(
        world=World(
            jobs=SageMakerTrainingJobs(client("sagemaker"), sagemaker_arns),
            checkpoints=WandbCheckpoints(pool, own.wandb_base_url, key),
            waits=OneShotSchedules(
                client("scheduler"),
                group=own.schedule_group,
                role_arn=own.schedule_role_arn,
                queue_arn=own.queue_arn,
                account=account,
                region=region,
                now=now,
                lead_seconds=_lead_seconds(own),
            ),
            notifications=Topic(client("sns"), own.topic_arn),
            switches=stack_switches(
                ssm, mode=own.mode_parameter, breaker=own.breaker_parameter, ceiling=own.mode
            ),
            now=now,
            logs=_job_logs(region) if own.reads_job_logs else None,
        ),
        dead_letters=DeadLetterQueue(client("sqs"), own.dead_letter_url),
        settings=own,
        executor=ThreadPoolExecutor(_WAVE_WIDTH),
        account=account,
        region=region,
    )


def _job_logs(region: str) -> CloudWatchJobLogs:
    def connect() -> Any:  # noqa: ANN401 — boto3 has no types
        return boto3.client("logs", region_name=region, config=LOG_CALLS)

    return CloudWatchJobLogs(connect, time.monotonic)


def _lead_seconds(own: settings.Settings) -> int:
    """A stack that waits in seconds, as the demo's does, schedules in seconds; never in a few."""
    return min(LEAD_SECONDS, max(_SHORTEST_LEAD_SECONDS, own.policy.backoff_base_seconds))


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
    # While it starts, Lambda gives a function a whole CPU, and not the fraction that its memory
    # buys. And a setting that is missing ends it here, by name, before it takes a message.
    start()
