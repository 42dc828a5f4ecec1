"""The role that a training runs as, with no right beyond its own work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from launching.account import Account

# AWS's own registry of Deep Learning Containers, in most regions.
_CONTAINER_REGISTRY = "763104351884"
_OWN_TAGS = [
    "WANDB_ENTITY",
    "WANDB_PROJECT",
    "WANDB_CHECKPOINT_NAME",
    "WANDB_RUN_ID",
    "resilience:completed",
]

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def ensure_role(iam: BaseClient, account: Account, *, name: str, home: str, secret: str) -> str:
    """Create the execution role, or bring an older one up to date; gives its ARN.

    `home` is `bucket/prefix`, the only place in S3 that the training may read and write; `secret`
    is the name of the secret with the W&B key.
    """
    try:
        created = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(_TRUST),
            Description="Execution role of resumable training jobs",
        )
        arn = created["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(_TRUST))
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    policy = json.dumps(execution_policy(account, home=home, secret=secret))
    iam.put_role_policy(RoleName=name, PolicyName="training", PolicyDocument=policy)
    return str(arn)


def execution_policy(account: Account, *, home: str, secret: str) -> dict[str, Any]:
    statements = [
        *_storage(account, home),
        *_own_job(account),
        # The suffix is what Secrets Manager appends to every name.
        _allow(
            ["secretsmanager:GetSecretValue"],
            account.arn("secretsmanager", f"secret:{secret}-??????"),
        ),
        *_container(account),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(
    actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _storage(account: Account, home: str) -> list[dict[str, Any]]:
    bucket, _, prefix = home.partition("/")
    arn = f"arn:{account.partition}:s3:::{bucket}"
    inside = {"StringLike": {"s3:prefix": [f"{prefix}/*", prefix]}}
    return [
        _allow(["s3:GetObject", "s3:PutObject"], f"{arn}/{prefix}/*"),
        _allow(["s3:ListBucket"], arn, inside),
    ]


def _own_job(account: Account) -> list[dict[str, Any]]:
    """A training may say where its checkpoints are; the controller's tags are not its to write."""
    jobs = account.arn("sagemaker", "training-job/*")
    only_own = {"ForAllValues:StringEquals": {"aws:TagKeys": _OWN_TAGS}}
    return [
        _allow(["sagemaker:AddTags"], jobs, only_own),
        _allow(["sagemaker:DescribeTrainingJob", "sagemaker:ListTags"], jobs),
    ]


def _container(account: Account) -> list[dict[str, Any]]:
    logs = account.arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")
    registries = [
        f"arn:{account.partition}:ecr:{account.region}:{owner}:repository/*"
        for owner in (_CONTAINER_REGISTRY, account.number)
    ]
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    namespace = {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}}
    return [
        _allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], logs),
        _allow(["logs:DescribeLogStreams"], logs),
        _allow(pull, registries),
        # These two know no resource.
        _allow(["ecr:GetAuthorizationToken"], "*"),
        _allow(["cloudwatch:PutMetricData"], "*", namespace),
    ]
