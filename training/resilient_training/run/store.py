"""The store: the place in S3 that holds the bytes of checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from resilient_training.run.fetching import Fetch
from resilient_training.run.place import Place
from resilient_training.run.sending import Moved, Send
from resilient_training.run.side_by_side import side_by_side
from resilient_training.run.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from botocore.client import BaseClient

    from resilient_training.run.file_list import ListedFile

# Files at once; a large one has as many parts at once. Together they hold some 128 MB of memory.
_SENT_AT_ONCE = 4
_FETCHED_AT_ONCE = 8
_CLIENT = Config(
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=32,
)


def never() -> bool:
    return False


class Store(Protocol):
    """What holds the bytes of checkpoints."""

    @property
    def place(self) -> Place:
        """Where its own uploads go."""

    def trusts(self, bucket: str, key: str) -> bool:
        """Whether a restore may fetch this object."""

    def moved(self) -> int:
        """A number that changes while an upload moves."""

    def upload(
        self,
        folder: Path,
        names: Iterable[str],
        under: str,
        overtaken: Callable[[], bool] = never,
    ) -> tuple[ListedFile, ...]:
        """Send these files of `folder` to keys below `under`; gives them as they were sent.

        Raises:
            Overtaken: `overtaken` became true before all was sent.
            StoreError: the store does not take them.
            OSError: a file cannot be read.
        """

    def download(self, bucket: str, files: Sequence[ListedFile], into: Path) -> None:
        """Fetch these files into the folder `into`, and verify size and sha256 of each.

        Raises:
            FileLostError: one of them is gone, or is not what the list says.
            StoreError: the store does not give them.
            OSError: the disk does not take them.
        """


@dataclass(frozen=True)
class S3Store:
    """A store in S3.

    Attributes:
        trusted: Places besides its own from which a restore may fetch.
    """

    client: BaseClient
    place: Place
    trusted: tuple[Place, ...] = ()
    sent: Moved = field(default_factory=Moved, compare=False)

    def moved(self) -> int:
        return self.sent.bytes

    def trusts(self, bucket: str, key: str) -> bool:
        return any(place.holds(bucket, key) for place in (self.place, *self.trusted))

    def upload(
        self,
        folder: Path,
        names: Iterable[str],
        under: str,
        overtaken: Callable[[], bool] = never,
    ) -> tuple[ListedFile, ...]:
        stop = Event()
        send = Send(self.client, self.place.bucket, lambda: stop.is_set() or overtaken(), self.sent)
        work = partial(self._sent, send, folder, under)
        return tuple(side_by_side(work, sorted(names), at_once=_SENT_AT_ONCE, stop=stop))

    def _sent(self, send: Send, folder: Path, under: str, name: str) -> ListedFile:
        key = self.place.key(under, name)
        try:
            return send.file(folder / name, name, key)
        except (BotoCoreError, ClientError) as error:
            raise StoreError.of(error, "s3:PutObject, s3:GetObject", self.place) from error

    def download(self, bucket: str, files: Sequence[ListedFile], into: Path) -> None:
        stop = Event()
        fetch = Fetch(self.client, bucket, into, stop.is_set)
        # The largest first: else it is what all wait for at the end.
        largest_first = sorted(files, key=lambda file: file.size, reverse=True)
        work = partial(self._fetched, fetch)
        side_by_side(work, largest_first, at_once=_FETCHED_AT_ONCE, stop=stop)

    def _fetched(self, fetch: Fetch, file: ListedFile) -> None:
        try:
            fetch.file(file)
        except (BotoCoreError, ClientError) as error:
            place = Place(fetch.bucket, "")
            raise StoreError.of(error, "s3:GetObject, s3:GetObjectVersion", place) from error


def s3_client(region: str | None) -> BaseClient:
    """A client for many files at once; endpoint and credentials are boto3's own choice."""
    return boto3.client("s3", region_name=region, config=_CLIENT)
