"""A file on its way to S3, hashed as it is read: the sha256 is that of the bytes that are sent."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from boto3.s3.transfer import TransferConfig

from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.store_errors import Overtaken, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.client import BaseClient

_PART = 8 << 20  # bytes; S3 takes parts of 5 MB to 5 GB
_MOST_PARTS = 9_000  # S3 takes 10,000
_PARTS_AT_ONCE = 4
_UNVERSIONED = "null"


class HashedReader:
    """Reads a file once, from its beginning to its end.

    It has no `seek`: so boto3 holds each part in memory, sends it again from there when a request
    fails, and never reads what was not hashed.
    """

    def __init__(self, file: BinaryIO, is_overtaken: Callable[[], bool]) -> None:
        self._file = file
        self._is_overtaken = is_overtaken
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        if self._is_overtaken():
            raise Overtaken
        data = self._file.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data


class Moved:
    """How many bytes S3 has taken so far, of all files and parts, those sent again included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0

    def add(self, count: int) -> None:
        with self._lock:
            self.bytes += count


@dataclass(frozen=True)
class Send:
    """Sends files to one bucket until `is_overtaken`."""

    client: BaseClient
    bucket: str
    is_overtaken: Callable[[], bool]
    moved: Moved

    def file(self, path: Path, name: str, key: str) -> ListedFile:
        """Send one file, in parts where it is large.

        Raises:
            Overtaken: it was not sent.
            StoreError: S3 has something else there than what was sent.
            BotoCoreError, ClientError: S3 does not take it.
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            reader = HashedReader(file, self.is_overtaken)
            config = transfer_config(path.stat().st_size)
            count = self.moved.add
            self.client.upload_fileobj(reader, self.bucket, key, Callback=count, Config=config)
        return ListedFile(name, reader.size, reader.sha256, self._found(key, reader.size))

    def _found(self, key: str, size: int) -> Stored:
        # boto3 does not hand the answer of an upload on. No other writer has this key.
        answer = self.client.head_object(Bucket=self.bucket, Key=key)
        if answer["ContentLength"] != size:
            found = answer["ContentLength"]
            raise StoreError(f"s3://{self.bucket}/{key} has {found} bytes, {size} were sent")
        version = answer.get("VersionId")
        etag = answer["ETag"].strip('"')
        return Stored(key, etag, None if version == _UNVERSIONED else version)


def transfer_config(size: int) -> TransferConfig:
    """How a file of `size` bytes is sent: in one request, or in as many parts as S3 allows."""
    config = TransferConfig(
        multipart_threshold=_PART,
        multipart_chunksize=max(_PART, -(-size // _MOST_PARTS)),
        max_concurrency=_PARTS_AT_ONCE,
        preferred_transfer_client="classic",  # the other one reads files in its own way
    )
    config.max_in_memory_upload_chunks = _PARTS_AT_ONCE
    return config
