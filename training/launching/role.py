"""The role that a training runs as, with no right beyond its own work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launching.command import CHANNEL
from launching.images import registry_account
from launching.stores import place_of

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from launching.account import Account

# What a training may say of a job that nobody opted in at its launch, and of any other.
_OPT_IN = [
    "WANDB_ENTITY",
    "WANDB_PROJECT",
    "WANDB_CHECKPOINT_NAME",
    "WANDB_CHECKPOINT_TAG",
    "WANDB_RUN_ID",
    "resilience:completed",
]
_COMPLETED = ["resilience:completed"]
# A job that bears this tag is opted in.
_OPTED_IN = "aws:ResourceTag/WANDB_PROJECT"
# What a training reads: what the launcher uploads, and the checkpoints of an earlier container.
_READ = ("code", "sm_drivers", "data", CHANNEL, "checkpoints")
_WRITTEN = ("output", "checkpoints")

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


@dataclass(frozen=True)
class Needs:
    """What a training has to reach.

    `home` is `bucket/prefix`, the only place in S3 but for `store`, `s3://bucket/prefix`, where its
    checkpoints lie; `secret` is the name of the secret with the W&B key, `secret_key` the ARN of
    the KMS key that it is under, if that is a customer's own; `job_prefix` is what the names of all
    its jobs begin with. `self_opt_in`: its trainings opt themselves in, because the launch does
    not.
    """

    home: str
    secret: str
    secret_key: str | None = None
    job_prefix: str = ""
    store: str | None = None
    self_opt_in: bool = False


def ensure_role(iam: BaseClient, account: Account, needs: Needs, *, name: str) -> str:
    """Create the execution role, or bring an older one up to date; gives its ARN.

    A right to self opt-in that an earlier launch gave stays: a training of that launch may be
    about to use it.
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
    _put(iam, name, "training", execution_policy(account, needs))
    if needs.self_opt_in:
        _put(iam, name, "self-opt-in", self_opt_in_policy(account, needs))
    return str(arn)


def _put(iam: BaseClient, role: str, policy: str, document: dict[str, Any]) -> None:
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def execution_policy(account: Account, needs: Needs) -> dict[str, Any]:
    statements = [
        *_storage(account, needs.home),
        *_store(account, needs),
        *_completion(account, needs),
        *_wandb_key(account, needs),
        *_container(account),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def self_opt_in_policy(account: Account, needs: Needs) -> dict[str, Any]:
    """Only where nobody has opted the job in: its tags then decide nothing yet."""
    tagging = _tagging(account, needs, _OPT_IN, opted_in=False)
    return {"Version": "2012-10-17", "Statement": [tagging]}


def _allow(
    actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _storage(account: Account, home: str) -> list[dict[str, Any]]:
    """Code and data are read and never written: whoever runs in a job must not change the next."""
    bucket, _, prefix = home.partition("/")
    arn = f"arn:{account.partition}:s3:::{bucket}"
    return [
        _allow(["s3:GetObject"], [f"{arn}/{prefix}/{folder}/*" for folder in _READ]),
        _allow(["s3:PutObject"], [f"{arn}/{prefix}/{folder}/*" for folder in _WRITTEN]),
        # Without a condition on the prefix: SageMaker asks whether the bucket is there at all.
        _allow(["s3:ListBucket"], arn),
    ]


def _store(account: Account, needs: Needs) -> list[dict[str, Any]]:
    """Nothing is deleted there, and nothing is read of any other training's place."""
    if needs.store is None:
        return []
    place = place_of(needs.store)
    arn = f"arn:{account.partition}:s3:::{place.bucket}"
    actions = ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion"]
    used = _allow(actions, f"{arn}/{place.prefix}*")
    if place.bucket == needs.home.partition("/")[0]:
        return [used]
    # Without it S3 does not say of an object that it is not there, and hosts could not wait for
    # each other's messages.
    return [used, _allow(["s3:ListBucket"], arn)]


def _completion(account: Account, needs: Needs) -> list[dict[str, Any]]:
    return [
        _tagging(account, needs, _COMPLETED, opted_in=True),
        _allow(["sagemaker:ListTags"], _jobs(account, needs)),
    ]


def _tagging(account: Account, needs: Needs, keys: list[str], *, opted_in: bool) -> dict[str, Any]:
    """IAM does not tell one job of a role from another, so this is a right over other jobs too."""
    only = {"ForAllValues:StringEquals": {"aws:TagKeys": keys}}
    # For-all is true of no keys at all.
    known = {"Null": {"aws:TagKeys": "false", _OPTED_IN: "false" if opted_in else "true"}}
    return _allow(["sagemaker:AddTags"], _jobs(account, needs), {**only, **known})


def _jobs(account: Account, needs: Needs) -> str:
    return account.arn("sagemaker", f"training-job/{needs.job_prefix}*")


def _wandb_key(account: Account, needs: Needs) -> list[dict[str, Any]]:
    # The suffix is what Secrets Manager appends to every name.
    secret = account.arn("secretsmanager", f"secret:{needs.secret}-??????")
    read = _allow(["secretsmanager:GetSecretValue"], secret)
    if needs.secret_key is None:
        return [read]
    service = f"secretsmanager.{account.region}.{account.domain}"
    for_it = {
        "StringEquals": {"kms:ViaService": service},
        "StringLike": {"kms:EncryptionContext:SecretARN": secret},
    }
    return [read, _allow(["kms:Decrypt"], needs.secret_key, for_it)]


def _container(account: Account) -> list[dict[str, Any]]:
    logs = account.arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")
    owners = [registry_account(account.region), account.number]
    registries = [
        f"arn:{account.partition}:ecr:{account.region}:{owner}:repository/*"
        for owner in owners
        if owner is not None
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
