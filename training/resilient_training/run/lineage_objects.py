"""The objects of a lineage in its store, as far as retention may list and delete them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from resilient_training.run.orphans import Listing, Uploaded, Word, word_of
from resilient_training.run.place import Place
from resilient_training.run.store_errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from botocore.client import BaseClient

    from resilient_training.run.file_list import Stored

_RIGHTS = "s3:DeleteObject, s3:DeleteObjectVersion and s3:ListBucket (for --keep alone)"
_AT_ONCE = 1000  # keys in one request, as S3 allows
_CLAIMS = "lineages"


class Objects(Protocol):
    """What retention needs of a store. Each call raises StoreError where it does not answer."""

    def word(self, bucket: str, key: str) -> Word | None:
        """The word that an object is below; None: it is none of this lineage's checkpoints."""

    def delete(self, files: Sequence[Stored]) -> None:
        """Delete these very object versions, for good."""

    def remove(self, keys: Sequence[str]) -> None:
        """Delete what stands at these keys; a versioned bucket keeps it behind a marker."""

    def listing(self) -> Listing:
        """All words below the lineage's root."""

    def is_shared(self) -> bool:
        """Whether checkpoints of another lineage may lie below this root too."""


@dataclass(frozen=True)
class Owner:
    """Whose checkpoints: the run that the training logs to, on one W&B server."""

    server: str
    entity: str
    project: str
    run: str

    @property
    def name(self) -> str:
        text = json.dumps([self.server, self.entity, self.project, self.run])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LineageObjects:
    """Below one root of one store. Nothing outside `<place>/<root>/` is ever named in a request."""

    client: BaseClient
    place: Place
    root: str
    owner: Owner
    below: Place = field(init=False)

    def __post_init__(self) -> None:
        prefix = f"{self.place.key(self.root)}/"
        object.__setattr__(self, "below", Place(self.place.bucket, prefix))

    def claim(self) -> None:
        """Say that this lineage uploads below the root; to be done before the first upload.

        A root is the name of a job or a run: another region, account or project may have the same.
        Raises StoreError.
        """
        claim = {"server": self.owner.server, "entity": self.owner.entity}
        claim |= {"project": self.owner.project, "run": self.owner.run}
        key = self.below.key(_CLAIMS, f"{self.owner.name}.json")
        try:
            body = json.dumps(claim).encode()
            self.client.put_object(Bucket=self.place.bucket, Key=key, Body=body)
        except (BotoCoreError, ClientError) as error:
            raise StoreError.of(error, "s3:PutObject", self.place) from error

    def is_shared(self) -> bool:
        claims = {key.rpartition("/")[2] for key, _, _ in self._listed(f"{_CLAIMS}/")}
        return claims != {f"{self.owner.name}.json"}

    def word(self, bucket: str, key: str) -> Word | None:
        below = self.below.holds(bucket, key)
        return word_of(key.removeprefix(self.below.prefix)) if below else None

    def delete(self, files: Sequence[Stored]) -> None:
        self._delete([_object(one) for one in files])

    def remove(self, keys: Sequence[str]) -> None:
        self._delete([{"Key": key} for key in keys])

    def listing(self) -> Listing:
        keys: dict[Word, list[str]] = {}
        newest: dict[Word, datetime] = {}
        at: datetime | None = None
        for key, modified, said_at in self._listed("a"):
            at = at or said_at  # of the first page: what comes later is younger than it looks
            word = word_of(key.removeprefix(self.below.prefix))
            if word is not None:
                keys.setdefault(word, []).append(key)
                newest[word] = max(modified, newest.get(word, modified))
        words = {word: Uploaded(tuple(found), newest[word]) for word, found in keys.items()}
        return Listing(at or parsedate_to_datetime("Thu, 01 Jan 1970 00:00:00 GMT"), words)

    def _listed(self, beginning: str) -> Iterator[tuple[str, datetime, datetime]]:
        """Each key below the root: when it was modified, and when S3 said so."""
        prefix = self.below.prefix + beginning
        pages = self.client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.place.bucket, Prefix=prefix):
                at = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for one in page.get("Contents", ()):
                    yield one["Key"], one["LastModified"], at
        except (BotoCoreError, ClientError) as error:
            raise StoreError.of(error, _RIGHTS, self.below) from error

    def _delete(self, objects: Sequence[Mapping[str, str]]) -> None:
        if not all(self.below.holds(self.place.bucket, one["Key"]) for one in objects):
            raise StoreError(f"a key is not below {self.below.url}: nothing is deleted")
        for first in range(0, len(objects), _AT_ONCE):
            some = {"Objects": objects[first : first + _AT_ONCE], "Quiet": True}
            try:
                answer = self.client.delete_objects(Bucket=self.place.bucket, Delete=some)
            except (BotoCoreError, ClientError) as error:
                raise StoreError.of(error, _RIGHTS, self.below) from error
            for refused in answer.get("Errors", ()):
                said = ClientError({"Error": refused}, "DeleteObjects")
                raise StoreError.of(said, _RIGHTS, self.below)


def _object(stored: Stored) -> dict[str, str]:
    version = {} if stored.version_id is None else {"VersionId": stored.version_id}
    return {"Key": stored.key, **version}
