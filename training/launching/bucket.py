"""The bucket that a launch makes: private, encrypted, versioned, and without parts of old uploads.

Versions are what a checkpoint in S3 is referred to by. Parts of an upload that never ended are paid
for, and no listing shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient

    from launching.account import Account

_PRIVATE = (
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
)
_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
# Longer than any upload of a training takes.
_UNFINISHED_DAYS = 7
_RULE = {
    "ID": "resilient-training-unfinished-uploads",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_DAYS},
}
# How S3 says that a bucket has no such settings.
_NOT_ENCRYPTED = "ServerSideEncryptionConfigurationNotFoundError"
_NO_RULES = "NoSuchLifecycleConfiguration"


def ensure_bucket(s3: BaseClient, account: Account, *, name: str, ours: bool = False) -> None:
    """Create the bucket unless it is there.

    `ours`: an earlier launch made it under this name, so it gets the settings of a new one. The
    settings of a bucket that somebody else made stay as they are.

    Raises:
        LaunchError: the name belongs to another account.
    """
    bucket = _Bucket(s3, name, account.number)
    made = not bucket.is_there()
    if made:
        s3.create_bucket(Bucket=name, **_place(account.region))
        bucket.shut()
    if made or ours:
        bucket.encrypt()
        bucket.keep_versions()
        bucket.abort_unfinished_uploads()


def _place(region: str) -> dict[str, Any]:
    # S3 refuses us-east-1 as a constraint, and needs one everywhere else.
    if region == "us-east-1":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


@dataclass(frozen=True)
class _Bucket:
    """A bucket that must be `owner`'s. What a person has set differently is left so."""

    s3: BaseClient
    name: str
    owner: str

    @property
    def _owned(self) -> dict[str, Any]:
        return {"Bucket": self.name, "ExpectedBucketOwner": self.owner}

    def is_there(self) -> bool:
        try:
            self.s3.head_bucket(**self._owned)
        except ClientError as error:
            if _code(error) in ("404", "NoSuchBucket"):
                return False
            text = f"bucket {self.name} is not yours: give another with --bucket"
            raise LaunchError(text) from error
        return True

    def shut(self) -> None:
        self.s3.put_public_access_block(
            **self._owned, PublicAccessBlockConfiguration=dict.fromkeys(_PRIVATE, True)
        )

    def encrypt(self) -> None:
        """S3 does so by itself since 2023; an older bucket may have no encryption."""
        try:
            self.s3.get_bucket_encryption(**self._owned)
        except ClientError as error:
            if _code(error) != _NOT_ENCRYPTED:
                raise
            self.s3.put_bucket_encryption(
                **self._owned, ServerSideEncryptionConfiguration=_ENCRYPTED
            )

    def keep_versions(self) -> None:
        """Whoever may put objects there can then write over none that a checkpoint refers to."""
        if "Status" not in self.s3.get_bucket_versioning(**self._owned):
            enabled = {"Status": "Enabled"}
            self.s3.put_bucket_versioning(**self._owned, VersioningConfiguration=enabled)

    def abort_unfinished_uploads(self) -> None:
        """S3 replaces all rules at once, so the rules of others are sent along."""
        rules = self._rules()
        if all(rule.get("ID") != _RULE["ID"] for rule in rules):
            self.s3.put_bucket_lifecycle_configuration(
                **self._owned, LifecycleConfiguration={"Rules": [*rules, _RULE]}
            )

    def _rules(self) -> list[Mapping[str, Any]]:
        try:
            found = self.s3.get_bucket_lifecycle_configuration(**self._owned)
        except ClientError as error:
            if _code(error) != _NO_RULES:
                raise
            return []
        return list(found.get("Rules", []))


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
