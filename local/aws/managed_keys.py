# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""S3's own key of an account (`aws/s3`), under which it encrypts where no key is named.

MiniStack has none and refuses `aws:kms` without a key, which is how the SageMaker SDK sends
sources. S3 takes its own key then, and names it in its answer (PutObject, SSEKMSKeyId).
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import s3

ALGORITHM = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"
KMS = "aws:kms"

Resolved = tuple[dict[str, str] | None, Any]


def install() -> None:
    s3._resolve_sse_write_headers = _with_managed_key(s3._resolve_sse_write_headers)


def _with_managed_key(original: Callable[..., Resolved]) -> Callable[..., Resolved]:
    def resolve(headers: Mapping[str, str], bucket_name: str) -> Resolved:
        if headers.get(ALGORITHM) == KMS and not headers.get(KEY):
            headers = {**headers, KEY: managed_key(get_account_id(), get_region())}
        return original(headers, bucket_name)

    return resolve


def managed_key(account: str, region: str) -> str:
    """The same key each time; its id says nothing."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"aws/s3/{account}/{region}")
    return f"arn:aws:kms:{region}:{account}:key/{identity}"
