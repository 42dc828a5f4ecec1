"""The W&B key: from one machine into Secrets Manager, and never into a job's Environment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from botocore.client import BaseClient

# An IAM policy names a key by its ARN; an alias is refused there.
_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_AWS_OWN_KEY = "alias/aws/secretsmanager"


def find_key(environment: Mapping[str, str], key_file: Path | None, dotenv: Path) -> str | None:
    """The key from `key_file`, else from WANDB_API_KEY in the environment, else from `.env`.

    White space around it is not part of it: wandb refuses a key with an editor's final newline.
    """
    if key_file is not None:
        return _from_file(key_file)
    return environment.get("WANDB_API_KEY", "").strip() or _from_dotenv(dotenv)


def _from_file(path: Path) -> str:
    if not path.is_file():
        raise LaunchError(f"{path} is no file: give --wandb-key-file the file with the key")
    if not (key := path.read_text().strip()):
        raise LaunchError(f"{path} is empty: give --wandb-key-file the file with the key")
    return key


def _from_dotenv(path: Path) -> str | None:
    lines = path.read_text().splitlines() if path.is_file() else []
    entries = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return entries.get("WANDB_API_KEY", "").strip().strip("'\"") or None


def check_kms_key(arn: str | None) -> None:
    """Refuse what no policy can grant.

    Raises:
        LaunchError: it is no ARN of a key.
    """
    if arn is not None and not _KEY_ARN.fullmatch(arn):
        raise LaunchError(f"--secret-kms-key {arn}: give the ARN of the key, arn:…:kms:…:key/…")


def ensure_secret(
    secrets: BaseClient,
    *,
    name: str,
    value: str | None,
    replace: bool = False,
    kms_key: str | None = None,
) -> str:
    """Store the key where no secret has the name; gives the secret's ARN.

    A key that others may use is replaced with `replace` only. A new secret is put under `kms_key`.

    Raises:
        LaunchError: there is neither a key nor a secret; the secret holds another key; it is under
            a KMS key that was not named, so that no training could read it.
    """
    try:
        stored = secrets.get_secret_value(SecretId=name)
    except secrets.exceptions.ResourceNotFoundException:
        return _create(secrets, name, value, kms_key)
    _must_be_readable(secrets, name, kms_key)
    if value is not None and _key_in(stored.get("SecretString", "")) != value:
        if not replace:
            raise LaunchError(
                f"secret {name} holds another W&B key than yours: --secret-name makes a secret of "
                "your own, --replace-secret changes it for everyone"
            )
        secrets.put_secret_value(SecretId=name, SecretString=value)
    return str(stored["ARN"])


def _create(secrets: BaseClient, name: str, value: str | None, kms_key: str | None) -> str:
    if value is None:
        raise LaunchError(
            f"no W&B key: set WANDB_API_KEY, or give --wandb-key-file, or create secret {name}"
        )
    under = {"KmsKeyId": kms_key} if kms_key else {}
    return str(secrets.create_secret(Name=name, SecretString=value, **under)["ARN"])


def _must_be_readable(secrets: BaseClient, name: str, kms_key: str | None) -> None:
    found = secrets.describe_secret(SecretId=name).get("KmsKeyId")
    if found and not found.endswith(_AWS_OWN_KEY) and kms_key is None:
        raise LaunchError(
            f"secret {name} is under KMS key {found}: give --secret-kms-key its ARN, so that the "
            "training may decrypt it"
        )


def _key_in(text: str) -> str:
    """The key as the training reads it: plain, or as {"WANDB_API_KEY": …}."""
    try:
        fields = json.loads(text) if text.lstrip().startswith("{") else {}
    except json.JSONDecodeError:
        fields = {}
    return str(fields.get("WANDB_API_KEY", text)).strip()
