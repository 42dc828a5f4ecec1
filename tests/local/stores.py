"""A store in the local S3, and files for it."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.client import BaseClient

from resilient_training.run.place import place_from
from resilient_training.run.store import S3Store
from tests.local.served_aws import REGION, served_aws

BUCKET = "checkpoints-of-tests"
UNVERSIONED = "unversioned-of-tests"
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class LocalS3:
    """`environment` is what another process needs to use it."""

    client: BaseClient
    environment: Mapping[str, str]

    def keys(self, bucket: str, prefix: str) -> list[str]:
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]


@contextmanager
def versioned_bucket() -> Iterator[LocalS3]:
    """The local S3 with a bucket that keeps versions, and one that does not."""
    with served_aws() as aws:
        client = aws.client("s3")
        keys = aws.session.get_credentials()
        for bucket in (BUCKET, UNVERSIONED):
            where = {"LocationConstraint": REGION}
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        environment = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }
        yield LocalS3(client, environment)


def store_at(client: BaseClient, prefix: str, *trusted: str) -> S3Store:
    places = [place_from(f"s3://{BUCKET}/{one}") for one in (prefix, *trusted)]
    return S3Store(client, places[0], tuple(places[1:]))


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - bytes that no test could confuse


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
