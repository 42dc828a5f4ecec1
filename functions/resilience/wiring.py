"""The two functions' connections: every client, made once, in the account of the function."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import boto3
from botocore.config import Config

from resilience import settings
from resilience.adapters import graphql
from resilience.adapters.job_logs import LOG_CALLS, CloudWatchJobLogs
from resilience.adapters.messages import (
    LEAD_SECONDS,
    CheckQueue,
    DeadLetterQueue,
    OneShotSchedules,
    Topic,
)
from resilience.adapters.parameters import SsmSwitches, stack_switches, wandb_key, wandb_trust
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.fleet.jobs import Fleet
from resilience.intake import Intake
from resilience.ports import World

# Sized to the functions' timeout of 60 s: the slowest way through is a handful of calls.
AWS_CALLS = Config(
    connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3}
)
_LOOKUPS_AT_ONCE = 3
_SHORTEST_LEAD_SECONDS = 10  # a call of CreateSchedule may take a few


@cache
def start() -> Intake:
    """Connect the controller to its account and region, which are those of its queue.

    Raises SettingsMissing by name where the deployment lacks a setting.
    """
    own = settings.of_on_training_ended(os.environ)
    _, partition, _, region, account, *_ = own.queue_arn.split(":")
    client = partial(boto3.client, region_name=region, config=AWS_CALLS)
    ssm = client("ssm")
    pool = graphql.pool(wandb_trust(ssm, own.wandb_ca_parameter))
    key = wandb_key(client("secretsmanager"), own.wandb_secret_name)
    return Intake(
        world=World(
            jobs=SageMakerTrainingJobs(client("sagemaker"), _job_arns(partition, region, account)),
            checkpoints=WandbCheckpoints(pool, own.wandb_base_url, key),
            waits=OneShotSchedules(
                client("scheduler"),
                group=own.schedule_group,
                role_arn=own.schedule_role_arn,
                queue_arn=own.queue_arn,
                account=account,
                region=region,
                now=now,
                lead_seconds=lead_seconds(own),
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
        executor=ThreadPoolExecutor(_LOOKUPS_AT_ONCE),
        account=account,
        region=region,
    )


@cache
def start_sweep(function_arn: str) -> tuple[Fleet, settings.SweepSettings]:
    """Connect the sweep to the account and region of its function.

    Raises SettingsMissing by name where the deployment lacks a setting.
    """
    own = settings.of_sweep(os.environ)
    _, partition, _, region, account, *_ = function_arn.split(":")
    client = partial(boto3.client, region_name=region, config=AWS_CALLS)
    fleet = Fleet(
        jobs=SageMakerTrainingJobs(client("sagemaker"), _job_arns(partition, region, account)),
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


def now() -> int:
    return int(time.time())


def lead_seconds(own: settings.Settings) -> int:
    """A stack that waits in seconds, as the demo's does, schedules in seconds; never in a few."""
    return min(LEAD_SECONDS, max(_SHORTEST_LEAD_SECONDS, own.policy.backoff_base_seconds))


def _job_arns(partition: str, region: str, account: str) -> str:
    return f"arn:{partition}:sagemaker:{region}:{account}:training-job/"


def _job_logs(region: str) -> CloudWatchJobLogs:
    def connect() -> Any:  # noqa: ANN401 — boto3 has no types
        return boto3.client("logs", region_name=region, config=LOG_CALLS)

    return CloudWatchJobLogs(connect, time.monotonic)
