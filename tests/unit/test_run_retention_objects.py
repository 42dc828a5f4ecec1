"""What retention asks of S3, by a client that notes each request."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from resilient_training.run.deleting import NotNowError, SupersededError
from resilient_training.run.file_list import Stored
from resilient_training.run.keeping import JobFence, version_named
from resilient_training.run.lineage_objects import LineageObjects, Owner
from resilient_training.run.orphans import Word
from resilient_training.run.place import place_from
from resilient_training.run.store_errors import StoreError
from resilient_training.tags import Unreadable

OWNER = Owner("https://wandb", "team", "digits", "x")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Client:
    """Gives pages of keys, and takes deletions."""

    keys: Sequence[str] = ()
    refuses: str | None = None
    deleted: list[Mapping[str, Any]] = field(default_factory=list)

    def get_paginator(self, _name: str) -> "Client":
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[Mapping[str, Any]]:  # noqa: N803 - of boto3
        assert Bucket == "bucket"
        found = [key for key in self.keys if key.startswith(Prefix)]
        headers = {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}}
        yield {"ResponseMetadata": headers}  # S3 leaves out what would be empty
        for key in found:
            contents = [{"Key": key, "LastModified": NOW}]
            yield {"ResponseMetadata": headers, "Contents": contents}

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N803 - of boto3
        assert Bucket == "bucket"
        if self.refuses is not None:
            first = Delete["Objects"][0]
            return {"Errors": [{**first, "Code": self.refuses, "Message": "no"}]}
        self.deleted += Delete["Objects"]
        return {}


def objects(client: Client) -> LineageObjects:
    return LineageObjects(client, place_from("s3://bucket/team"), "root", OWNER)


def stored(key: str, version: str | None = "id") -> Stored:
    return Stored(key, "etag", version)


def test_the_very_versions_are_deleted_a_thousand_in_a_request() -> None:
    client = Client()
    keys = [f"team/root/a1/cafecafe/step-1/{number:04}" for number in range(1001)]
    objects(client).delete([stored(key) for key in keys])
    assert client.deleted == [{"Key": key, "VersionId": "id"} for key in keys]
    objects(client).delete([stored(keys[0], None)])
    assert client.deleted[-1] == {"Key": keys[0]}


@pytest.mark.parametrize(
    "key", ["team/root-r2/a1/cafecafe/file", "team/rootfile", "other/root/a1/cafecafe/file"]
)
def test_a_key_that_is_not_below_the_root_is_never_named_in_a_request(key: str) -> None:
    client = Client()
    with pytest.raises(StoreError, match="nothing is deleted"):
        objects(client).delete([stored("team/root/a1/cafecafe/file"), stored(key)])
    with pytest.raises(StoreError, match="nothing is deleted"):
        objects(client).remove([key])
    assert client.deleted == []
    assert objects(client).word("bucket", key) is None


def test_a_right_that_is_missing_is_named() -> None:
    client = Client(refuses="AccessDenied")
    with pytest.raises(StoreError) as refused:
        objects(client).delete([stored("team/root/a1/cafecafe/file")])
    for right in ("s3:DeleteObject,", "s3:DeleteObjectVersion", "--keep"):
        assert right in str(refused.value)


def test_a_listing_has_the_words_of_checkpoints_and_nothing_else() -> None:
    client = Client(
        [
            "team/root/a1/cafecafe/step-1/a",
            "team/root/a1/cafecafe/step-1/b",
            "team/root/a12/0badcafe/host/step-1/a",
            "team/root/a1/meet/call.json",
            "team/root/lineages/0.json",
            "team/root-r2/a1/11111111/step-1/a",
        ]
    )
    listing = objects(client).listing()
    assert listing.at == NOW
    assert listing.words.keys() == {Word(1, "cafecafe"), Word(12, "0badcafe")}
    assert listing.words[Word(1, "cafecafe")].keys == tuple(client.keys[:2])


def test_a_root_is_shared_unless_this_lineages_claim_is_the_only_one() -> None:
    mine = f"team/root/lineages/{OWNER.name}.json"
    assert not objects(Client([mine])).is_shared()
    assert objects(Client([])).is_shared()
    assert objects(Client([mine, "team/root/lineages/other.json"])).is_shared()
    same_names = Owner("https://another", "team", "digits", "x")
    assert same_names.name != OWNER.name


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({}, None),
        ({"WANDB_CHECKPOINT_TAG": "best", "WANDB_CHECKPOINT_NAME": "model-v7"}, None),
        ({"WANDB_CHECKPOINT_TAG": "v7"}, "v7"),
        ({"WANDB_CHECKPOINT_NAME": "model-x:v12"}, "v12"),
    ],
)
def test_a_version_is_named_by_its_number_in_the_tags(
    tags: Mapping[str, str], named: str | None
) -> None:
    assert version_named(tags) == named


@dataclass
class Tags:
    found: dict[str, str] | Unreadable
    done: str = "yes"
    collection: str | None = None

    def read(self) -> dict[str, str] | Unreadable:
        return self.found

    def write(self, _tags: Mapping[str, str]) -> bool:
        raise NotImplementedError


def test_tags_that_cannot_be_read_are_no_sign_of_life_and_a_verdict_is_one_of_death() -> None:
    with pytest.raises(NotNowError, match="sagemaker:ListTags"):
        JobFence(Tags(Unreadable()), lambda: False).wanted()
    with pytest.raises(SupersededError):
        JobFence(Tags({"resilience:verdict": "WAIT"}), lambda: False).wanted()
    assert JobFence(Tags({}), lambda: False).wanted() is None


def test_a_stop_closes_the_fence_and_so_does_the_end() -> None:
    with pytest.raises(NotNowError):
        JobFence(Tags({}), lambda: True).require_open()
    fence = JobFence(Tags({}), lambda: False)
    fence.require_open()
    fence.close()
    with pytest.raises(NotNowError):
        fence.require_open()
