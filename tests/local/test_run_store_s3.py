"""Files of a checkpoint on their way to the local S3 and back, by the real boto3."""

import base64
import errno
import gc
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.httpchecksum import Crc32Checksum, StreamingChecksumBody
from botocore.response import StreamingBody

from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.place import Place
from resilient_training.run.store import S3Store
from resilient_training.run.store_errors import FileLostError, Overtaken, StoreError
from tests.local.stores import (
    BUCKET,
    MEGABYTE,
    content_of,
    noise,
    sha256,
    store_at,
    versioned_bucket,
    written,
)

UNDER = "night/a1/0a1b2c3d/checkpoint-15"


@pytest.fixture(scope="module")
def s3() -> Iterator[BaseClient]:
    with versioned_bucket() as served:
        yield served.client


@pytest.fixture
def store(s3: BaseClient, request: pytest.FixtureRequest) -> S3Store:
    return store_at(s3, f"team/{sha256(request.node.name.encode())[:8]}")


def keys(store: S3Store) -> list[str]:
    place = store.place
    found = store.client.list_objects_v2(Bucket=place.bucket, Prefix=place.prefix)
    return [one["Key"] for one in found.get("Contents", [])]


def stored(file: ListedFile) -> Stored:
    assert file.stored is not None
    return file.stored


FILES = {"a": b"one", "rank/b": b"", ".metadata": noise(1000), "c d+é%2F": b"x"}


def test_files_come_back_as_they_were_sent(store: S3Store, tmp_path: Path) -> None:
    folder = written(tmp_path / "sent", FILES)
    sent = store.upload(folder, FILES, UNDER)
    assert [file.path for file in sent] == sorted(FILES)
    assert {file.path: file.sha256 for file in sent} == {
        name: sha256(content) for name, content in FILES.items()
    }
    assert all(stored(file).version_id for file in sent)
    store.download(BUCKET, sent, tmp_path / "back")
    assert content_of(tmp_path / "back") == FILES


def test_a_file_is_below_the_stores_place_and_what_it_is_sent_under(
    store: S3Store, tmp_path: Path
) -> None:
    (sent,) = store.upload(written(tmp_path, {"rank/b": b"x"}), ["rank/b"], UNDER)
    assert stored(sent).key == f"{store.place.prefix}{UNDER}/rank/b"
    assert store.trusts(BUCKET, stored(sent).key)


def test_a_large_file_is_sent_in_parts_and_hashed_as_a_whole(
    store: S3Store, tmp_path: Path
) -> None:
    large = {"large": noise(9 * MEGABYTE)}
    (sent,) = store.upload(written(tmp_path / "sent", large), large, UNDER)
    assert stored(sent).etag.endswith("-2")
    assert (sent.size, sent.sha256) == (9 * MEGABYTE, sha256(large["large"]))
    store.download(BUCKET, [sent], tmp_path / "back")
    assert content_of(tmp_path / "back") == large


def test_every_request_that_sends_bytes_has_a_checksum(store: S3Store, tmp_path: Path) -> None:
    headers: list[str | None] = []

    def note(request: Any, **_: object) -> None:  # noqa: ANN401 - of botocore
        trailer = request.headers.get("x-amz-trailer")
        checksums = [name for name in request.headers if name.startswith("x-amz-checksum-")]
        headers.append(trailer.decode() if isinstance(trailer, bytes) else trailer)
        headers[-1] = headers[-1] or next(iter(checksums), None)

    events = store.client.meta.events
    for operation in ("PutObject", "UploadPart"):
        events.register(f"before-send.s3.{operation}", note)
    files = {"large": noise(9 * MEGABYTE), "small": b"x"}
    try:
        store.upload(written(tmp_path, files), files, UNDER)
    finally:
        for operation in ("PutObject", "UploadPart"):
            events.unregister(f"before-send.s3.{operation}", note)
    assert len(headers) == 3
    assert all(header is not None for header in headers)


def test_the_old_bytes_come_back_after_their_object_was_overwritten_or_deleted(
    store: S3Store, tmp_path: Path
) -> None:
    sent = store.upload(written(tmp_path / "sent", FILES), FILES, UNDER)
    for file in sent[:2]:
        store.client.put_object(Bucket=BUCKET, Key=stored(file).key, Body=b"another one")
    store.client.delete_object(Bucket=BUCKET, Key=stored(sent[2]).key)
    store.download(BUCKET, sent, tmp_path / "back")
    assert content_of(tmp_path / "back") == FILES


def test_a_large_version_comes_back_whole_after_it_was_overwritten(
    store: S3Store, tmp_path: Path
) -> None:
    large = {"large": noise(9 * MEGABYTE, seed=1)}
    sent = store.upload(written(tmp_path / "sent", large), large, UNDER)
    store.client.put_object(Bucket=BUCKET, Key=stored(sent[0]).key, Body=b"another one")
    store.download(BUCKET, sent, tmp_path / "back")
    assert content_of(tmp_path / "back") == large


def without_version(file: ListedFile) -> ListedFile:
    return replace(file, stored=replace(stored(file), version_id=None))


def of_unknown_version(file: ListedFile) -> ListedFile:
    return replace(file, stored=replace(stored(file), version_id="11111111-1111-1111-1111-1111"))


def of_unknown_key(file: ListedFile) -> ListedFile:
    return replace(file, stored=Stored(f"{stored(file).key}-other", "etag"))


@pytest.mark.parametrize("how", [of_unknown_version, of_unknown_key])
def test_an_object_that_is_gone_is_named(
    store: S3Store, tmp_path: Path, how: Callable[[ListedFile], ListedFile]
) -> None:
    sent = store.upload(written(tmp_path / "sent", FILES), FILES, UNDER)
    listed = [*sent[:-1], how(sent[-1])]
    with pytest.raises(FileLostError, match=r"^rank/b is gone from its store "):
        store.download(BUCKET, listed, tmp_path / "back")


@pytest.mark.parametrize(
    ("theirs", "why"), [(b"two", "has the sha256 "), (b"longer", "has 6 bytes, its list says 3")]
)
def test_an_object_with_other_bytes_is_refused(
    store: S3Store, tmp_path: Path, theirs: bytes, why: str
) -> None:
    sent = [without_version(one) for one in store.upload(written(tmp_path, FILES), ["a"], UNDER)]
    store.client.put_object(Bucket=BUCKET, Key=stored(sent[0]).key, Body=theirs)
    with pytest.raises(FileLostError, match=f"^a {why}"):
        store.download(BUCKET, sent, tmp_path / "back")
    gc.collect()  # a connection that was left open is an error of this test, and of no later one


def test_a_file_without_a_place_is_in_no_store(store: S3Store, tmp_path: Path) -> None:
    with pytest.raises(FileLostError, match="a is in no store"):
        store.download(BUCKET, [ListedFile("a", 1, sha256(b"x"))], tmp_path)


def test_an_upload_that_is_overtaken_ends_in_the_midst_of_a_file_and_leaves_no_parts(
    store: S3Store, tmp_path: Path
) -> None:
    files = {"large": noise(9 * MEGABYTE), "small": b"x"}
    looks = count()
    with pytest.raises(Overtaken):
        store.upload(written(tmp_path, files), ["large"], UNDER, lambda: next(looks) >= 2)
    assert keys(store) == []
    left = store.client.list_multipart_uploads(Bucket=BUCKET, Prefix=store.place.prefix)
    assert left.get("Uploads", []) == []


def test_an_upload_that_is_overtaken_before_it_begins_sends_nothing(
    store: S3Store, tmp_path: Path
) -> None:
    with pytest.raises(Overtaken):
        store.upload(written(tmp_path, FILES), FILES, UNDER, lambda: True)
    assert keys(store) == []


def test_a_file_that_was_deleted_before_it_was_sent_is_an_error_of_the_disk(
    store: S3Store, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        store.upload(written(tmp_path, FILES), [*FILES, "missing"], UNDER)


def test_a_bucket_that_is_missing_is_no_fault_of_the_checkpoint(
    store: S3Store, tmp_path: Path
) -> None:
    elsewhere = replace(store, place=Place("no-such-bucket", "p/"))
    with pytest.raises(StoreError, match=r"^s3://no-such-bucket/p/ cannot be used: .*NoSuchBucket"):
        elsewhere.upload(written(tmp_path, FILES), FILES, UNDER)


def test_a_store_that_does_not_answer_is_no_fault_of_the_checkpoint(tmp_path: Path) -> None:
    nobody = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=boto3.session.Config(retries={"total_max_attempts": 1}),
    )
    store = S3Store(nobody, Place(BUCKET, ""))
    listed = ListedFile("a", 1, sha256(b"x"), Stored("a", "etag"))
    with pytest.raises(StoreError, match=r"cannot be used: Could not connect"):
        store.upload(written(tmp_path, FILES), ["a"], UNDER)
    with pytest.raises(StoreError, match=r"cannot be used: Could not connect"):
        store.download(BUCKET, [listed], tmp_path / "back")
    nobody.close()


class BreaksOff:
    """A stream of S3 that a network breaks off in its midst, the first times that it is asked."""

    def __init__(self, client: BaseClient, times: int) -> None:
        self._client = client
        self.times = times

    def get_object(self, **given: str) -> Any:  # noqa: ANN401 - of boto3
        answer = self._client.get_object(**given)
        if self.times > 0:
            self.times -= 1
            half = answer["Body"].read(answer["ContentLength"] // 2)
            answer["Body"].close()
            length = answer["ContentLength"]
            answer["Body"] = StreamingBody(io.BytesIO(half), length)
        return answer


def test_a_download_that_breaks_off_begins_again_a_few_times(
    store: S3Store, tmp_path: Path
) -> None:
    sent = store.upload(written(tmp_path / "sent", FILES), [".metadata"], UNDER)
    replace(store, client=BreaksOff(store.client, 3)).download(BUCKET, sent, tmp_path / "back")
    assert content_of(tmp_path / "back") == {".metadata": FILES[".metadata"]}
    with pytest.raises(StoreError, match="cannot be used: "):
        replace(store, client=BreaksOff(store.client, 4)).download(BUCKET, sent, tmp_path / "no")


class Rotten:
    """An object whose bytes are no longer those of the checksum that S3 keeps of it."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def get_object(self, **given: str) -> Any:  # noqa: ANN401 - of boto3
        answer = self._client.get_object(**given)
        content = io.BytesIO(b"x" * int(answer["ContentLength"]))
        answer["Body"].close()
        checksum = Crc32Checksum()
        answer["Body"] = StreamingChecksumBody(
            content, answer["ContentLength"], checksum, base64.b64encode(b"0000").decode()
        )
        return answer


def test_an_object_that_rots_in_s3_is_the_checkpoints_fault(store: S3Store, tmp_path: Path) -> None:
    sent = store.upload(written(tmp_path / "sent", FILES), [".metadata"], UNDER)
    rotten = replace(store, client=Rotten(store.client))
    with pytest.raises(FileLostError, match=r"^\.metadata is not what was uploaded: "):
        rotten.download(BUCKET, sent, tmp_path / "back")


def test_a_disk_that_is_full_is_the_systems_own_error(store: S3Store, tmp_path: Path) -> None:
    sent = store.upload(written(tmp_path / "sent", FILES), FILES, UNDER)
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    into = tmp_path / "back"
    into.mkdir()
    (into / ".metadata").symlink_to(full)
    with pytest.raises(OSError, match="No space left") as error:
        store.download(BUCKET, sent, into)
    assert error.value.errno == errno.ENOSPC
