"""The W&B key: from one machine into Secrets Manager, and never into a job's Environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from botocore.client import BaseClient


def find_key(environment: Mapping[str, str], key_file: Path | None, dotenv: Path) -> str | None:
    """The key from `key_file`, else from WANDB_API_KEY in the environment, else from `.env`."""
    if key_file is not None:
        if not key_file.is_file():
            raise LaunchError(f"{key_file} is no file: give --wandb-key-file the file with the key")
        return key_file.read_text().strip()
    return environment.get("WANDB_API_KEY") or _from_dotenv(dotenv)


def _from_dotenv(path: Path) -> str | None:
    lines = path.read_text().splitlines() if path.is_file() else []
    entries = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return entries.get("WANDB_API_KEY", "").strip().strip("'\"") or None


def ensure_secret(secrets: BaseClient, *, name: str, value: str | None) -> str:
    """Store the key unless it is stored already; gives the secret's ARN.

    Raises:
        LaunchError: there is neither a key nor a secret.
    """
    try:
        found = secrets.get_secret_value(SecretId=name)
    except secrets.exceptions.ResourceNotFoundException:
        if value is None:
            raise LaunchError(
                f"no W&B key: set WANDB_API_KEY, or give --wandb-key-file, or create secret {name}"
            ) from None
        return str(secrets.create_secret(Name=name, SecretString=value)["ARN"])
    if value is not None and found.get("SecretString") != value:
        secrets.put_secret_value(SecretId=name, SecretString=value)
    return str(found["ARN"])
