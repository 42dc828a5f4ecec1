"""Launch a training on SageMaker that can be brought back when it fails.

Creates what is missing (bucket, execution role, secret with the W&B key), uploads the source and
has the SageMaker SDK's ModelTrainer create the job. Run it again and nothing is made twice.
AWS_ENDPOINT_URL leads it to a local AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from launching.account import Account, LaunchError, account_of
from launching.follow import Status, follow
from launching.role import ensure_role, execution_policy
from launching.secret import ensure_secret, find_key
from launching.spec import METRICS, TrainingSpec, check
from launching.storage import ensure_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.client import BaseClient

    from launching.trainer import NamedTrainer

__all__ = [
    "LaunchError",
    "TrainingSpec",
    "account_of",
    "default_image",
    "ensure_bucket",
    "ensure_role",
    "ensure_secret",
    "execution_policy",
    "follow",
    "launch",
    "line_of",
    "trainer_of",
]

_PREFIX = "resilient-training"
_ROLE_PATIENCE = 12
_METRICS_EVERY_SECONDS = 30.0


def launch(sagemaker: BaseClient, trainer: NamedTrainer, *, patience: int = _ROLE_PATIENCE) -> None:
    """Have the job created, unless the very same one is there already.

    A role that was made a moment ago is not known everywhere yet: SageMaker then cannot assume it,
    and is asked again every 5 seconds, `patience` times in all.

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
            if "assume" not in str(error) or not attempts_left:
                raise
            time.sleep(5)
        else:
            return


def _must_be_the_same(sagemaker: BaseClient, request: Mapping[str, Any]) -> None:
    name = request["TrainingJobName"]
    found = sagemaker.describe_training_job(TrainingJobName=name)
    if _asked_for(found) != _asked_for(request):
        raise LaunchError(f"another training job is called {name}: give another --name")


def _asked_for(job: Mapping[str, Any]) -> list[Any]:
    """What tells two trainings apart; Describe adds defaults to the rest."""
    channels = job.get("InputDataConfig", [])
    algorithm = job["AlgorithmSpecification"]
    return [
        algorithm.get("TrainingImage"),
        algorithm.get("ContainerArguments"),
        job.get("Environment") or {},
        job.get("HyperParameters") or {},
        sorted(channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in channels),
    ]


def parser_for(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--name", help="job name (default: digits-<UTC time>)")
    add("--entity", default=environment.get("WANDB_ENTITY"), help="W&B entity, for the job's tags")
    add("--project", default=environment.get("WANDB_PROJECT") or "resilient-digits")
    add("--base-url", default=environment.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    add("--secret-name", default="resilience/wandb-api-key", help="in Secrets Manager")
    add(
        "--wandb-key-file",
        type=Path,
        help="else WANDB_API_KEY, else .env, else the secret as it is",
    )
    add("--region", default=None)
    add("--bucket", help="default: resilient-training-<account>-<region>")
    add("--prefix", default=_PREFIX, help="folder in the bucket")
    add("--role-name", default=_PREFIX, help="execution role, created or updated")
    add("--source", type=Path, default=Path(__file__).parent, help="folder with train.py")
    add("--data", type=Path, help="folder with MNIST; default: scikit-learn's small digits")
    add("--image", help="default: AWS's PyTorch training container for CPU")
    add(
        "--install",
        action=argparse.BooleanOptionalAction,
        help="pip install requirements.txt first (default: yes, but not on AWS_ENDPOINT_URL)",
        default="AWS_ENDPOINT_URL" not in environment,
    )
    add("--instance-type", default="ml.m5.large")
    add("--max-runtime", type=int, default=24 * 3600, metavar="SECONDS")
    add("--spot", action="store_true", help="managed spot training")
    add("--max-wait", type=int, default=48 * 3600, metavar="SECONDS", help="for spot capacity")
    add(
        "--keep-alive",
        type=int,
        default=0,
        metavar="SECONDS",
        help="warm pool: keep the instance for a successor, at most an hour",
    )
    add("--hyperparameter", action="append", default=[], metavar="NAME=VALUE", help="of train.py")
    add(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=REGEX",
        help="a value in the log, by the regex's one group (default: those of train.py)",
    )
    add(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="such as resilience:mode=observe",
    )
    add("--wait", action="store_true", help="follow the job to its end; exit 1 unless Completed")
    add("--dry-run", action="store_true", help="print the request; create and upload nothing")
    return parser


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    if wrong := [text for text in texts if "=" not in text]:
        raise LaunchError(f"{option} {wrong[0]!r}: write NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def default_image(region: str) -> str:
    registry = f"763104351884.dkr.ecr.{region}.amazonaws.com"
    return f"{registry}/pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"


def spec_for(options: argparse.Namespace, account: Account) -> TrainingSpec:
    name = options.name or f"digits-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return TrainingSpec(
        name=name,
        role_arn=f"arn:{account.partition}:iam::{account.number}:role/{options.role_name}",
        image=options.image or default_image(account.region),
        source=options.source,
        data=options.data,
        home=f"{bucket_of(options, account)}/{options.prefix}",
        entity=options.entity,
        project=options.project,
        base_url=options.base_url,
        secret_name=options.secret_name,
        instance_type=options.instance_type,
        max_runtime=options.max_runtime,
        spot=options.spot,
        max_wait=options.max_wait,
        keep_alive=options.keep_alive,
        install=options.install,
        hyperparameters=pairs(options.hyperparameter, "--hyperparameter"),
        metrics=pairs(options.metric, "--metric") or METRICS,
        tags=pairs(options.tag, "--tag"),
    )


def bucket_of(options: argparse.Namespace, account: Account) -> str:
    return options.bucket or f"{_PREFIX}-{account.number}-{account.region}"


def trainer_of(spec: TrainingSpec, session: boto3.Session, *, sends: bool = True) -> NamedTrainer:
    """The SDK's trainer for a spec; with `sends` off nothing is uploaded.

    Raises:
        LaunchError: the SDK is not installed.
    """
    try:
        from launching.trainer import trainer_for  # noqa: PLC0415 - two seconds, not for --help
    except ModuleNotFoundError as error:
        needed = Path(__file__).with_name("requirements-launch.txt")
        raise LaunchError(f"no module {error.name}: pip install -r {needed}") from None
    return trainer_for(spec, session, sends=sends)


def prepare(session: boto3.Session, options: argparse.Namespace, account: Account) -> str:
    """Make what the job needs, where it is missing; gives the role's ARN."""
    bucket = bucket_of(options, account)
    home, secret = f"{bucket}/{options.prefix}", options.secret_name
    key = find_key(os.environ, options.wandb_key_file, Path(".env"))
    ensure_secret(session.client("secretsmanager"), name=secret, value=key)
    ensure_bucket(session.client("s3"), account, name=bucket)
    iam = session.client("iam")
    return ensure_role(iam, account, name=options.role_name, home=home, secret=secret)


def run(options: argparse.Namespace) -> int:
    session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
    account = account_of(session)
    spec = spec_for(options, account)
    check(spec)  # refuse a bad request before anything is made
    if options.dry_run:
        request = trainer_of(spec, session, sends=False).request()
        say(json.dumps(request, indent=2))
        return 0
    if spec.entity is None:
        say("note: without --entity the job is recoverable only once its training has begun")
    spec = replace(spec, role_arn=prepare(session, options, account))
    sagemaker = session.client("sagemaker")
    launch(sagemaker, trainer_of(spec, session))
    say(f"launched {account.arn('sagemaker', f'training-job/{spec.name}')}")
    return watch(sagemaker, spec) if options.wait else 0


def watch(sagemaker: BaseClient, spec: TrainingSpec) -> int:
    """Tell of the job until its end: each status, and now and then the newest metrics."""
    ended, stage, told = "", None, 0.0
    for status in follow(sagemaker, spec.name):
        moved = status.stage != stage
        if moved or time.monotonic() - told >= _METRICS_EVERY_SECONDS:
            say(line_of(status, moved=moved))
            told = time.monotonic()
        ended, stage = status.status, status.stage
    if ended != "Completed" and spec.entity:
        say("the resilience controller judges it: see the job's tag resilience:verdict")
    return 0 if ended == "Completed" else 1


def line_of(status: Status, *, moved: bool) -> str:
    now = f"{datetime.now(UTC):%H:%M:%S}"
    metrics = " ".join(f"{name}={value:.6g}" for name, value in status.metrics.items())
    words = (now, status.status, status.secondary, metrics, status.message if moved else "")
    return " ".join(word for word in words if word)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    try:
        return run(parser_for(os.environ).parse_args(argv))
    except LaunchError as error:
        sys.stderr.write(f"launch: {error}\n")
        return 2
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"launch: AWS: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("launch: no longer watching; the job goes on\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
