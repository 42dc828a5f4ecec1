"""A file on its way from S3 to the disk, hashed as it comes."""

from __future__ import annotations

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError

from resilient_training.run.store_errors import FileLostError, Overtaken, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from botocore.client import BaseClient

    from resilient_training.run.file_list import ListedFile

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_ATTEMPTS = 4  # of a stream that breaks off; botocore repeats requests, and no streams


@dataclass(frozen=True)
class Fetch:
    """Fetches files of one bucket into the folder `into`, until `is_stopped`."""

    client: BaseClient
    bucket: str
    into: Path
    is_stopped: Callable[[], bool]

    def file(self, file: ListedFile) -> None:
        """Fetch one file and verify it.

        Raises:
            FileLostError: it is gone, or is not what the list says.
            Overtaken: another one of the files failed.
            BotoCoreError, ClientError: S3 does not give it.
            OSError: the disk does not take it.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._asked(file)
            try:
                self._take(file, answer)
            except FlexibleChecksumError as error:
                raise FileLostError(f"{file.path} is not what was uploaded: {error}") from error
            except BotoCoreError as error:
                if attempt == _ATTEMPTS:
                    raise
                _log.warning("the download of %s begins again: %s", file.path, error)
            else:
                return

    def _take(self, file: ListedFile, answer: Mapping[str, Any]) -> None:
        with closing(answer["Body"]) as body:
            size = answer["ContentLength"]
            if size != file.size:
                raise FileLostError(f"{file.path} has {size} bytes, its list says {file.size}")
            found = self._written(file, body)
        if found != file.sha256:
            why = f"has the sha256 {found}, its list says {file.sha256}"
            raise FileLostError(f"{file.path} {why}")

    def _written(self, file: ListedFile, body: Any) -> str:  # noqa: ANN401 - of boto3
        """Write the stream to the file; gives the sha256 of what came."""
        found = hashlib.sha256()
        path = self.into / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            for chunk in body.iter_chunks(_CHUNK):
                if self.is_stopped():
                    raise Overtaken
                found.update(chunk)
                target.write(chunk)
        return found.hexdigest()

    def _asked(self, file: ListedFile) -> Mapping[str, Any]:
        if file.stored is None:
            raise FileLostError(f"{file.path} is in no store")
        version = file.stored.version_id
        which = {} if version is None else {"VersionId": version}
        try:
            answer: Mapping[str, Any] = self.client.get_object(
                Bucket=self.bucket, Key=file.stored.key, **which
            )
        except ClientError as error:
            found = lost(error, file.path)
            if found is None:
                raise
            raise found from error
        return answer
