"""The board: where the hosts of one job leave messages for each other."""

from __future__ import annotations

import hmac
import logging
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from resilient_training.checkpoints.seal import seal_of_message
from resilient_training.run.file_list import MOST_LIST_BYTES
from resilient_training.run.invalid_input import InvalidInputError
from resilient_training.run.store_errors import StoreError, lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.client import BaseClient

    from resilient_training.run.place import Place

Message = TypeVar("Message")

_log = logging.getLogger(__name__)
_AFTER_SEAL = b"\n"
_RIGHTS = "s3:GetObject, s3:PutObject"


class Board(Protocol):
    """Small messages by name. What is put replaces what was there, as a whole."""

    def put(self, name: str, content: bytes) -> None:
        """Raises StoreError, OSError: it is not there."""

    def get(self, name: str) -> bytes | None:
        """None: nothing is there (yet). Raises StoreError, OSError: nobody knows."""


@dataclass(frozen=True)
class S3Board:
    """In the store: hosts with disks of their own have nothing else in common."""

    client: BaseClient
    place: Place

    def put(self, name: str, content: bytes) -> None:
        key = self.place.key(name)
        try:
            self.client.put_object(Bucket=self.place.bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise StoreError.of(error, _RIGHTS, self.place) from error

    def get(self, name: str) -> bytes | None:
        try:
            return self._got(self.place.key(name))
        except ClientError as error:
            if lost(error, name) is not None:
                return None
            raise StoreError.of(error, _RIGHTS, self.place) from error
        except BotoCoreError as error:
            raise StoreError.of(error, _RIGHTS, self.place) from error

    def _got(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.place.bucket, Key=key)
        with closing(answer["Body"]) as body:
            content: bytes = body.read(MOST_LIST_BYTES)
        return content


@dataclass(frozen=True)
class FolderBoard:
    """In a folder that all hosts share."""

    folder: Path

    def put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        made.write_bytes(content)
        made.replace(path)

    def get(self, name: str) -> bytes | None:
        path = self.folder / name
        # A network file system may know the folder as it was; to list it has it look again.
        if path.parent.is_dir():
            list(path.parent.iterdir())
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class SealedBoard:
    """A board on which only the hosts of one job can write.

    Whoever may write to the store may write to its board. So each message bears a seal under the
    job's completion token, which the hosts share and nobody else has. A message that bears none
    counts as none. An old message of the job under the same name is left to rounds and words.
    """

    board: Board
    token: str = field(repr=False)
    job: str

    def put(self, name: str, content: bytes) -> None:
        seal = seal_of_message(self.token, self.job, name, content)
        self.board.put(name, seal.encode() + _AFTER_SEAL + content)

    def get(self, name: str) -> bytes | None:
        raw = self.board.get(name)
        if raw is None:
            return None
        seal, _, content = raw.partition(_AFTER_SEAL)
        wanted = seal_of_message(self.token, self.job, name, content)
        if not hmac.compare_digest(seal, wanted.encode()):
            # Each look finds it again: no warning.
            _log.debug("%s on the board of the hosts bears no seal of this job", name)
            return None
        return content


def read(board: Board, name: str, parse: Callable[[bytes], Message]) -> Message | None:
    """What is on the board; None: nothing, or nothing that a host of ours wrote.

    Raises:
        StoreError, OSError: the board does not answer.
    """
    raw = board.get(name)
    try:
        return None if raw is None else parse(raw)
    except InvalidInputError as error:
        # Each look finds it again: no warning.
        _log.debug("%s on the board of the hosts is passed over: %s", name, error)
        return None
