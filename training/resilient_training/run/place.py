"""A place in S3: a bucket and a prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resilient_training.run.invalid_input import InvalidInputError, require_key, shown

_SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class PlaceError(ValueError):
    """Not the address of a place in S3; says what one looks like."""


@dataclass(frozen=True)
class Place:
    """`prefix` is empty, or ends with `/`: the prefix of checkpoint-1 is not checkpoint-10's."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}"

    def key(self, *parts: str) -> str:
        return self.prefix + "/".join(parts)

    def holds(self, bucket: str, key: str) -> bool:
        """Whether the key is below here, as it is written: S3 knows no `..`."""
        return bucket == self.bucket and key.startswith(self.prefix) and key != self.prefix


def place_from(url: str) -> Place:
    """Read `s3://bucket/prefix`, with or without a slash at its end.

    Raises:
        PlaceError: it is none.
    """
    bucket, _, prefix = url.removeprefix(_SCHEME).partition("/")
    prefix = prefix.removesuffix("/")
    try:
        if not url.startswith(_SCHEME) or _BUCKET.fullmatch(bucket) is None:
            raise PlaceError(f"not s3://bucket/prefix: {shown(url)}")
        if prefix:
            require_key(prefix)
    except InvalidInputError as error:
        raise PlaceError(f"not s3://bucket/prefix: {error}") from error
    return Place(bucket, f"{prefix}/" if prefix else "")


def reference(bucket: str, key: str) -> str:
    """What W&B's manifest says of an object."""
    return f"{_SCHEME}{bucket}/{key}"


def bucket_and_key(ref: str) -> tuple[str, str] | None:
    """The object that a reference means, read literally; None: it means none in S3."""
    if not ref.startswith(_SCHEME):
        return None
    bucket, _, key = ref.removeprefix(_SCHEME).partition("/")
    return bucket, key
