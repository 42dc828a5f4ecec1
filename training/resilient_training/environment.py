"""What the W&B SDK reads from the environment, settled before it starts."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import boto3

from resilient_training.job import Job, run_id_for

if TYPE_CHECKING:
    from collections.abc import Mapping


def fetch_key(environment: Mapping[str, str], region: str | None) -> str | None:
    """The W&B key out of Secrets Manager: plain, or as {"WANDB_API_KEY": …}."""
    secret = environment.get("WANDB_SECRET_NAME")
    if not secret or environment.get("WANDB_API_KEY"):
        return None
    client = boto3.client("secretsmanager", region_name=region)
    value: str = client.get_secret_value(SecretId=secret)["SecretString"].strip()
    key = str(json.loads(value)["WANDB_API_KEY"]) if value.startswith("{") else value
    # An editor ends a file with a newline, and `file://` stores it; wandb refuses such a key.
    return key.strip()


def prepare_environment(job: Job) -> None:
    """Settle what the W&B SDK reads from the environment, before it starts."""
    key = fetch_key(os.environ, job.region)
    run_id = run_id_for(job, os.environ.get("WANDB_RUN_ID"))
    os.environ.update({"WANDB_API_KEY": key} if key else {})
    os.environ.update({"WANDB_RUN_ID": run_id, "WANDB_RESUME": "allow"} if run_id else {})
