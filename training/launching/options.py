"""The command line of a launch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from launching.account import LaunchError
from launching.command import is_wrapped
from launching.hosts import groups_from
from launching.images import default_image
from launching.job_options import on_what_machines, what_runs
from launching.spec import METRICS, TrainingSpec
from launching.stores import default_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from launching.account import Account

_DEFAULT = "resilient-training"


def parser_for(environment: Mapping[str, str], description: str = "") -> argparse.ArgumentParser:
    """The parser; W&B's own variables in `environment` are defaults."""
    parser = argparse.ArgumentParser(
        "launch.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what_runs(parser.add_argument_group("what runs"), environment)
    on_what_machines(parser.add_argument_group("on what machines"))
    _wandb(parser.add_argument_group("Weights & Biases"), environment)
    _account(parser.add_argument_group("in the AWS account"))
    _manner(parser.add_argument_group("how it is launched"))
    return parser


def _wandb(group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
    add = group.add_argument
    add(
        "--entity",
        default=environment.get("WANDB_ENTITY") or None,
        metavar="NAME",
        help="opts the job in from its start (default: WANDB_ENTITY)",
    )
    add(
        "--project",
        default=environment.get("WANDB_PROJECT") or "resilient-digits",
        metavar="NAME",
        help="default: WANDB_PROJECT, else resilient-digits",
    )
    add(
        "--base-url",
        default=environment.get("WANDB_BASE_URL") or "https://api.wandb.ai",
        metavar="URL",
        help="the W&B server (default: WANDB_BASE_URL, else https://api.wandb.ai)",
    )
    add(
        "--wandb-key-file",
        type=Path,
        metavar="FILE",
        help="the key (default: WANDB_API_KEY, else .env, else what the secret holds)",
    )


def _account(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--region", help="default: AWS_REGION, else the profile's")
    add("--bucket", metavar="NAME", help="default: resilient-training-<account>-<region>")
    add("--prefix", default=_DEFAULT, help="folder in the bucket (default: %(default)s)")
    add(
        "--store",
        metavar="S3",
        help="s3://bucket/prefix for the checkpoints of resilient-run. The stack's parameter "
        "CheckpointStores has to allow it (default: store/ in the launch's own folder if there are "
        "several hosts; with one, the files go to W&B)",
    )
    add(
        "--role-name",
        default=_DEFAULT,
        metavar="NAME",
        help="execution role (default: %(default)s). Created, or its policy rewritten for the "
        "--bucket, --prefix, --secret-name and --job-prefix of this launch",
    )
    add(
        "--job-prefix",
        default="",
        metavar="TEXT",
        help="the role may tag only jobs whose names begin so, in lower case (default: all)",
    )
    add(
        "--secret-name",
        # Not the controller's: a launch must not change the key that it works with.
        default=f"{_DEFAULT}/wandb-api-key",
        metavar="NAME",
        help="the W&B key's place in Secrets Manager (default: %(default)s)",
    )
    add(
        "--secret-kms-key",
        metavar="ARN",
        help="KMS key of your own that the secret is under (default: Secrets Manager's own)",
    )
    add(
        "--replace-secret",
        action="store_true",
        help="where the secret holds another W&B key: put yours in its place, for everyone",
    )


def _manner(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--wait", action="store_true", help="follow the job to its end; exit 1 unless Completed")
    add("--dry-run", action="store_true", help="print the request; create and upload nothing")


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    if wrong := [text for text in texts if "=" not in text]:
        raise LaunchError(f"{option} {wrong[0]!r}: write NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def spec_for(options: argparse.Namespace, account: Account) -> TrainingSpec:
    name = options.name or f"digits-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    metrics = pairs(options.metric, "--metric")
    spec = TrainingSpec(
        name=name,
        role_arn=f"arn:{account.partition}:iam::{account.number}:role/{options.role_name}",
        image=options.image or default_image(account),
        source=options.source,
        data=options.data,
        home=f"{bucket_of(options, account)}/{options.prefix}",
        entity=options.entity,
        project=options.project,
        base_url=options.base_url,
        secret_name=options.secret_name,
        command=options.command,
        store=options.store.rstrip("/") if options.store else None,
        instance_type=options.instance_type,
        instance_count=options.instance_count,
        groups=groups_from(options.instance_group),
        max_runtime=options.max_runtime,
        spot=options.spot,
        max_wait=options.max_wait,
        keep_alive=options.keep_alive,
        install=options.install,
        hyperparameters=pairs(options.hyperparameter, "--hyperparameter"),
        metrics=metrics or ({} if options.command else METRICS),
        tags=pairs(options.tag, "--tag"),
        job_prefix=options.job_prefix,
    )
    several = spec.hosts > 1 and is_wrapped(spec.command)
    if spec.store is None and several:
        return replace(spec, store=default_store(spec.home))
    return spec


def bucket_of(options: argparse.Namespace, account: Account) -> str:
    return options.bucket or f"{_DEFAULT}-{account.number}-{account.region}"
