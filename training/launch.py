"""Launch a training on SageMaker that can be brought back when it fails.

Creates what is missing (bucket, execution role, secret with the W&B key), uploads the source and
has the SageMaker SDK's ModelTrainer create the job. Run it again and nothing is made twice.
AWS_ENDPOINT_URL leads it to a local AWS.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from launching.account import LaunchError, account_of
from launching.bucket import ensure_bucket
from launching.command import notes_on, start_command
from launching.creation import launch
from launching.follow import Status, follow
from launching.images import default_image
from launching.options import bucket_of, parser_for, spec_for
from launching.role import Needs, ensure_role, execution_policy
from launching.secret import check_kms_key, ensure_secret, find_key
from launching.spec import TrainingSpec, check
from launching.stores import note_on

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from botocore.client import BaseClient

    from launching.account import Account
    from launching.trainer import NamedTrainer

__all__ = [
    "LaunchError",
    "Needs",
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

_METRICS_EVERY_SECONDS = 30.0


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


def prepare(session: boto3.Session, options: argparse.Namespace, spec: TrainingSpec) -> str:
    """Make what the job needs, where it is missing; gives the role's ARN."""
    account = account_of(session)
    ensure_secret(
        session.client("secretsmanager"),
        name=spec.secret_name,
        value=find_key(os.environ, options.wandb_key_file, Path(".env")),
        replace=options.replace_secret,
        kms_key=options.secret_kms_key,
    )
    bucket, ours = bucket_of(options, account), options.bucket is None
    ensure_bucket(session.client("s3"), account, name=bucket, ours=ours)
    return ensure_role(
        session.client("iam"), account, needs_of(options, spec), name=options.role_name
    )


def needs_of(options: argparse.Namespace, spec: TrainingSpec) -> Needs:
    return Needs(
        home=spec.home,
        secret=spec.secret_name,
        secret_key=options.secret_kms_key,
        job_prefix=spec.job_prefix,
        store=spec.store,
        self_opt_in=spec.entity is None,
    )


def notes_of(spec: TrainingSpec) -> Iterator[str]:
    """What the user should know although nothing is wrong."""
    yield from notes_on(spec.command, spec.source)
    if (note := note_on(spec.store)) is not None:
        yield note
    if spec.entity is None:
        yield "without --entity the job is recoverable only once its training has begun"


def preview(options: argparse.Namespace, account: Account, spec: TrainingSpec) -> Iterator[str]:
    """What a launch does besides the request, which does not have it."""
    yield f"the container runs: {start_command(spec.command, spec.source)}"
    yield f"checkpoints lie in: {spec.store or 'W&B'}"
    yield f"the role {options.role_name} may do, and nothing else:"
    yield json.dumps(execution_policy(account, needs_of(options, spec)), indent=2)
    yield from (f"note: {note}" for note in notes_of(spec))


def run(options: argparse.Namespace) -> int:
    session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
    account = account_of(session)
    spec = spec_for(options, account)
    check(spec)  # refuse a bad request before anything is made
    check_kms_key(options.secret_kms_key)
    if options.dry_run:
        request = trainer_of(spec, session, sends=False).request()
        say(json.dumps(request, indent=2))
        # Not with the request, which a program may read.
        for line in preview(options, account, spec):
            sys.stderr.write(f"{line}\n")
        return 0
    for note in notes_of(spec):
        say(f"note: {note}")
    spec = replace(spec, role_arn=prepare(session, options, spec))
    sagemaker = session.client("sagemaker")
    launch(sagemaker, trainer_of(spec, session), say=say)
    say(f"launched {account.arn('sagemaker', f'training-job/{spec.name}')}")
    return watch(sagemaker, spec) if options.wait else 0


def watch(sagemaker: BaseClient, spec: TrainingSpec) -> int:
    """Report on the job until its end: each status, and now and then the newest metrics."""
    ended, stage, reported = "", None, 0.0
    for status in follow(sagemaker, spec.name):
        moved = status.stage != stage
        if moved or time.monotonic() - reported >= _METRICS_EVERY_SECONDS:
            say(line_of(status, moved=moved))
            reported = time.monotonic()
        ended, stage = status.status, status.stage
    if ended != "Completed" and spec.entity:
        say("the resilience controller decides: see the job's tag resilience:verdict")
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
        return run(parser_for(os.environ, str(__doc__)).parse_args(argv))
    except LaunchError as error:
        sys.stderr.write(f"launch: {error}\n")
        return 2
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"launch: AWS: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("launch: interrupted; a job that was launched goes on\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
