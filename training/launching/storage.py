"""The folders that a training reads from the bucket.

A folder lies at the hash of its content, and what lies there is compared with that content: a
training runs what its launcher has on disk, whoever else may write to the bucket.
"""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.client import BaseClient

# What is in the folder for the person who launches, or was left there by a run.
STAYS = ("launch.py", "launching", "outputs", "wandb", "__pycache__", "*.pyc", ".*")
# A file of this size or more goes up in parts; S3 then keeps a checksum over those of the parts.
_PART = 64 * 1024 * 1024
_AT_ONCE = 8


@dataclass(frozen=True)
class Content:
    """Size in bytes and SHA-256, base64, as S3 keeps them; "" where it keeps no such checksum.

    Of a file that went up in parts, the checksum is over the digests of its parts. The size tells
    it from a small object that consists of just those digests.
    """

    size: int
    checksum: str


@dataclass(frozen=True)
class Store:
    """Buckets of the account `owner`, a number. Without a client nothing is sent.

    `part` is the size in bytes from which on a file goes up in parts.
    """

    s3: BaseClient | None
    owner: str
    part: int = _PART


@dataclass(frozen=True)
class Folder:
    """A folder of a bucket that must be `owner`'s."""

    s3: BaseClient
    owner: str
    bucket: str
    prefix: str

    @property
    def _owned(self) -> dict[str, Any]:
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.owner}

    def names(self) -> set[str]:
        """What lies below it, relative to it."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Prefix=self.prefix, **self._owned)
        entries = [entry for page in pages for entry in page.get("Contents", [])]
        return {entry["Key"].removeprefix(self.prefix) for entry in entries}

    def content(self, name: str) -> Content:
        found = self.s3.head_object(Key=self.prefix + name, ChecksumMode="ENABLED", **self._owned)
        # S3 appends the number of parts; not every stand-in for it does.
        checksum = found.get("ChecksumSHA256", "").partition("-")[0]
        return Content(found["ContentLength"], checksum)

    def put(self, name: str, file: Path, part: int, extra: Mapping[str, Any]) -> None:
        parts = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
        checked = {**extra, "ExpectedBucketOwner": self.owner, "ChecksumAlgorithm": "SHA256"}
        key = self.prefix + name
        self.s3.upload_file(str(file), self.bucket, key, ExtraArgs=checked, Config=parts)


def upload(
    store: Store,
    home: str,
    path: str,
    extra_args: Mapping[str, Any] | None = None,
    *,
    below: str = "",
) -> str:
    """Upload a folder, or a file, to `home` (`bucket/prefix`) under its hash; gives the S3 URI.

    What is there already stays as it is. `below` is put before the names of a folder's files: "",
    or a folder with its slash.

    Raises:
        LaunchError: what is there is not this content. Somebody changed what trainings run.
    """
    files = {f"{below}{name}": file for name, file in _files(Path(path)).items()}
    bucket, _, prefix = f"{home}/{_digest_of(files)}/".partition("/")
    if store.s3 is not None:
        folder = Folder(store.s3, store.owner, bucket, prefix)
        _send(folder, files, store.part, extra_args or {})
    return f"s3://{bucket}/{prefix}"


def _send(folder: Folder, files: Mapping[str, Path], part: int, extra: Mapping[str, Any]) -> None:
    present = folder.names()
    if foreign := sorted(present - set(files)):
        raise _tampered(folder, foreign[0], "was added by somebody")

    def settle(name: str) -> None:
        if name not in present:
            folder.put(name, files[name], part, extra)
        elif folder.content(name) != content_of(files[name], part):
            raise _tampered(folder, name, "is not what was uploaded")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(settle, files))


def _tampered(folder: Folder, name: str, what: str) -> LaunchError:
    place = f"s3://{folder.bucket}/{folder.prefix}{name}"
    return LaunchError(
        f"{place} {what}, and trainings run what lies there: find out who wrote it, delete it, and "
        "launch again"
    )


def content_of(file: Path, part: int) -> Content:
    digests = [hashlib.sha256(data).digest() for data in _parts(file, part)]
    size = file.stat().st_size
    whole = digests[0] if size < part else hashlib.sha256(b"".join(digests)).digest()
    return Content(size, base64.b64encode(whole).decode())


def _parts(file: Path, size: int) -> Iterable[bytes]:
    with file.open("rb") as source:
        yield source.read(size)
        while data := source.read(size):
            yield data


def _files(root: Path) -> dict[str, Path]:
    """By name relative to `root`; what Python compiled differs from machine to machine."""
    if root.is_file():
        return {root.name: root}
    found = sorted(path for path in root.rglob("*") if path.is_file())
    kept = [path for path in found if "__pycache__" not in path.parts]
    return {path.relative_to(root).as_posix(): path for path in kept}


def _digest_of(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for line in _lines(files):
        digest.update(line)
    return digest.hexdigest()


def _lines(files: Mapping[str, Path]) -> Iterable[bytes]:
    for name, path in files.items():
        with path.open("rb") as source:
            yield f"{name} {hashlib.file_digest(source, 'sha256').hexdigest()}\n".encode()
