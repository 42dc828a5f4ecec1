"""S3 as the job's role sees it: channels come down, artifacts and checkpoints go up."""

import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.aws.sagemaker.sessions import Credentials
from local.aws.sagemaker.settings import Settings

# One session for all jobs: its loader caches the service model, and making clients is not safe
# from several threads at once.
_session = botocore.session.Session()
_making = threading.Lock()
EVERY = slice(None)


class TransferError(Exception):
    """A transfer that ends the job; the message is what FailureReason says."""


@dataclass(frozen=True)
class Location:
    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "Location":
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def below(self, name: str) -> "Location":
        return Location(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))


@dataclass(frozen=True)
class Storage:
    client: Any

    @classmethod
    def of_role(cls, credentials: Credentials, settings: Settings) -> "Storage":
        with _making:
            client = _session.create_client(
                "s3",
                region_name=settings.region,
                endpoint_url=settings.endpoint,
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token,
                config=Config(
                    s3={"addressing_style": "path"}, connect_timeout=2, retries={"max_attempts": 2}
                ),
            )
        return cls(client)

    def close(self) -> None:
        self.client.close()

    def keys(self, prefix: Location) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
            for entry in page.get("Contents", ()):
                yield entry["Key"]

    def download_prefix(self, prefix: Location, target: Path, share: slice = EVERY) -> int:
        """Bring a share of what is below the prefix down; how many files there are in all."""
        try:
            keys = [key for key in self.keys(prefix) if not key.endswith("/")]
            for key in keys[share]:
                self.download(Location(prefix.bucket, key), target / local_name(prefix, key))
        except (ClientError, BotoCoreError, OSError) as error:
            raise TransferError(f"Failed to download data. {_said(prefix, error)}") from error
        return len(keys)

    def download(self, source: Location, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        body = self.client.get_object(Bucket=source.bucket, Key=source.key)["Body"]
        with target.open("wb") as file:
            for part in body.iter_chunks(1 << 20):
                file.write(part)

    def upload(self, source: Path, target: Location) -> None:
        try:
            with source.open("rb") as file:
                self.client.put_object(Bucket=target.bucket, Key=target.key, Body=file)
        except (ClientError, BotoCoreError, OSError) as error:
            raise TransferError(f"Failed to upload to S3. {_said(target, error)}") from error

    def delete(self, target: Location) -> None:
        """Delete an object, if the role may: no job fails for a file too many in S3."""
        try:
            self.client.delete_object(Bucket=target.bucket, Key=target.key)
        except ClientError as error:
            if error.response["Error"].get("Code") != "AccessDenied":
                raise TransferError(f"Failed to delete in S3. {_said(target, error)}") from error
        except BotoCoreError as error:
            raise TransferError(f"Failed to delete in S3. {_said(target, error)}") from error

    def upload_archive(self, folders: Sequence[Path], target: Location, scratch: Path) -> None:
        """Send what is in the folders as one `.tar.gz`; of files of one name, the first."""
        archive, seen = scratch / Path(target.key).name, set[str]()

        def first(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            known = member.name in seen and not member.isdir()
            seen.add(member.name)
            return None if known else member

        with tarfile.open(archive, "w:gz") as tar:
            for folder in folders:
                for entry in sorted(folder.iterdir()):
                    tar.add(entry, entry.name, filter=first)
        self.upload(archive, target)
        archive.unlink()


def local_name(prefix: Location, key: str) -> str:
    """Name the file of a key: what follows the folder that the prefix names or lies in."""
    folder = prefix.key.rstrip("/")
    whole = prefix.key.endswith("/") or key.startswith(f"{folder}/")
    name = key[len(folder) if whole else max(prefix.key.rfind("/"), 0) :].removeprefix("/")
    for illegal, place in (("//", key), ("../", f"{name}/")):
        if illegal in place:
            raise TransferError(
                f"Failed to download data. S3 key: s3://{prefix.bucket}/{key} has an illegal char "
                f"sub-sequence '{illegal}' in it"
            )
    return name


def _said(place: Location, error: Exception) -> str:
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return f"S3 key: {place}: {told.get('Message')} (Code: {told.get('Code')})"
    return f"S3 key: {place}: {error}"


def warm_up() -> None:
    """Load what the first client would wait for."""
    with _making:
        _session.create_client("s3", region_name="us-east-1").close()
