"""A place in S3: a bucket and a prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resilient_training.run.invalid_input import shown

_SCHEME = "s3://"
_FOLDER = "[A-Za-z0-9_=-][A-Za-z0-9_=.-]*"
# As the controller reads it (functions/resilience/decide/stores.py), which passes over a version in
# any other place: no encoded character, and no folder that begins with a dot, such as `..`.
STORE = re.compile(rf"s3://([a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*)/({_FOLDER}(?:/{_FOLDER})*)/?")


class PlaceError(ValueError):
    """Not the address of a place in S3; says what one looks like."""


@dataclass(frozen=True)
class Place:
    """`prefix` ends with `/`, for the prefix of checkpoint-1 is not checkpoint-10's."""

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
        PlaceError: it is none, or none that the controller would follow.
    """
    found = STORE.fullmatch(url)
    if found is None:
        raise PlaceError(f"not s3://bucket/prefix: {shown(url)}")
    return Place(found[1], f"{found[2]}/")


def reference(bucket: str, key: str) -> str:
    """What W&B's manifest says of an object."""
    return f"{_SCHEME}{bucket}/{key}"


def bucket_and_key(ref: str) -> tuple[str, str] | None:
    """The object that a reference means, read literally; None: it means none in S3."""
    if not ref.startswith(_SCHEME):
        return None
    bucket, _, key = ref.removeprefix(_SCHEME).partition("/")
    return bucket, key
