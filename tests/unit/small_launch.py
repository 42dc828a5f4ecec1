"""A launch as small as can be, for the tests of the launcher."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from launch import trainer_of
from launching.account import Account
from launching.spec import TrainingSpec

ACCOUNT = Account("aws", "123456789012", "eu-west-1")
TRAINING = Path(__file__).parents[2] / "training"
SPEC = TrainingSpec(
    name="digits-1",
    role_arn="arn:aws:iam::123456789012:role/resilient-training",
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:1",
    source=TRAINING,
    home="home/p",
    project="digits",
    secret_name="resilient-training/wandb-api-key",
    base_url="https://api.wandb.ai",
    entity="team",
)


@contextmanager
def account() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


def request_of(spec: TrainingSpec, aws: boto3.Session) -> dict[str, Any]:
    return trainer_of(spec, aws, sends=False).request()


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request["Tags"]}
