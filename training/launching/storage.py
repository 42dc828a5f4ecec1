"""The bucket, and the folders that a training reads from it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.client import BaseClient

    from launching.account import Account

# What is in the folder for the person who launches, or was left there by a run.
STAYS = ("launch.py", "launching", "outputs", "wandb", "__pycache__", "*.pyc", ".*")


def ensure_bucket(s3: BaseClient, account: Account, *, name: str) -> None:
    """Create the bucket unless it is there; private and encrypted, as S3's defaults are.

    Raises:
        LaunchError: the name belongs to another account.
    """
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.number)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise LaunchError(f"bucket {name} is not yours: give another with --bucket") from error
        s3.create_bucket(Bucket=name, **_place(account.region))
        blocked = (
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        )
        s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True)
        )


def _place(region: str) -> dict[str, Any]:
    # S3 refuses us-east-1 as a constraint, and needs one everywhere else.
    if region == "us-east-1":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def upload(
    s3: BaseClient | None, home: str, path: str, extra_args: dict[str, str] | None = None
) -> str:
    """Upload a folder, or a file, to `home` (`bucket/prefix`) under its hash; gives the S3 URI.

    What is there already stays as it is. Without a client nothing is sent.
    """
    root = Path(path)
    files = _files(root)
    bucket, _, prefix = f"{home}/{_digest_of(files)}/".partition("/")
    if s3 is not None:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        present = {entry["Key"] for entry in found}
        for name, file in files.items():
            if prefix + name not in present:
                s3.upload_file(str(file), bucket, prefix + name, ExtraArgs=extra_args)
    return f"s3://{bucket}/{prefix}"


def _files(root: Path) -> dict[str, Path]:
    """By name relative to `root`; what Python compiled differs from machine to machine."""
    if root.is_file():
        return {root.name: root}
    found = sorted(path for path in root.rglob("*") if path.is_file())
    kept = [path for path in found if "__pycache__" not in path.parts]
    return {path.relative_to(root).as_posix(): path for path in kept}


def _digest_of(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for line in _lines(files):
        digest.update(line)
    return digest.hexdigest()[:16]


def _lines(files: dict[str, Path]) -> Iterable[bytes]:
    for name, path in files.items():
        yield f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
