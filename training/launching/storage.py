"""The bucket, and the source and data that a training reads from it."""

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
_STAYS = frozenset({"launch.py", "launching", "outputs", "wandb", "__pycache__", ".env"})


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


def source_files(folder: Path) -> list[Path]:
    """What of `folder` goes along, relative to it."""
    relative = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path for path in relative if not any(_stays(part) for part in path.parts)]


def _stays(part: str) -> bool:
    return part in _STAYS or part.startswith(".") or part.endswith(".pyc")


def upload_source(s3: BaseClient, *, home: str, folder: Path) -> str:
    """Upload `folder` to `home` (`bucket/prefix`) under the hash of its content; gives the S3 URI.

    A successor reads the URI of its root, perhaps days later, so code that has been edited since
    may not lie at the same place.
    """
    files = source_files(folder)
    if Path("train.py") not in files:
        raise LaunchError(f"{folder} has no train.py: give --source the folder that does")
    return _upload(s3, f"{home}/code", folder, files)


def upload_data(s3: BaseClient, *, home: str, folder: Path) -> str:
    """Upload a data folder in the same way."""
    files = source_files(folder)
    if not files:
        raise LaunchError(f"{folder} holds no data: give --data a folder with files")
    return _upload(s3, f"{home}/data", folder, files)


def _digest_of(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def _upload(s3: BaseClient, home: str, folder: Path, files: Iterable[Path]) -> str:
    bucket, _, prefix = f"{home}/{_digest_of(folder, files)}/".partition("/")
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    present = {entry["Key"] for entry in found}
    for path in files:
        if prefix + path.as_posix() not in present:
            s3.upload_file(str(folder / path), bucket, prefix + path.as_posix())
    return f"s3://{bucket}/{prefix}"
