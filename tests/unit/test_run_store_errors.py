"""What S3 answers: the fault of an object, of a role, or of nobody; and parts of large files."""

import io

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from resilient_training.run.place import place_from
from resilient_training.run.sending import HashedReader, Moved, transfer_config
from resilient_training.run.store_errors import FileLostError, Overtaken, StoreError, lost

PLACE = place_from("s3://bucket/team")
GIGABYTE = 1 << 30


def answered(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as S3\nsays"}}, "GetObject")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"])
def test_an_object_that_is_gone_is_the_checkpoints_fault(code: str) -> None:
    found = lost(answered(code), "rank-0")
    assert isinstance(found, FileLostError)
    assert str(found) == f"rank-0 is gone from its store ({code})"


def test_an_archived_object_has_to_be_restored_by_hand() -> None:
    found = lost(answered("InvalidObjectState"), "rank-0")
    assert str(found) == "rank-0 is archived, and has to be restored by hand first"


@pytest.mark.parametrize(
    "code", ["AccessDenied", "403", "SlowDown", "InternalError", "NoSuchBucket"]
)
def test_what_says_nothing_of_the_object_is_no_fault_of_the_checkpoint(code: str) -> None:
    """S3 says AccessDenied of a key that is missing where the role may not list the bucket."""
    assert lost(answered(code), "rank-0") is None


def test_a_right_that_is_missing_is_named_in_one_line() -> None:
    error = StoreError.of(answered("AccessDenied"), "s3:PutObject", PLACE)
    assert str(error).startswith(
        "s3://bucket/team/ cannot be used: the job's role needs s3:PutObject and, to see what is"
        " missing, s3:ListBucket (An error occurred (AccessDenied)"
    )
    assert "\n" not in str(error)


def test_a_store_that_does_not_answer_is_said_in_one_line() -> None:
    error = StoreError.of(EndpointConnectionError(endpoint_url="http://x"), "s3:PutObject", PLACE)
    assert str(error) == (
        's3://bucket/team/ cannot be used: Could not connect to the endpoint URL: "http://x"'
    )


@pytest.mark.parametrize("size", [0, 1, 100 * GIGABYTE, 5 * 1024 * GIGABYTE])
def test_a_file_of_any_size_has_no_more_parts_than_s3_takes(size: int) -> None:
    config = transfer_config(size)
    assert size <= config.multipart_chunksize * 10_000
    assert 5 << 20 <= config.multipart_chunksize <= 5 * GIGABYTE


def test_what_is_read_is_hashed_once_and_cannot_be_read_again() -> None:
    reader = HashedReader(io.BytesIO(b"one two"), lambda: False)
    assert reader.read(3) == b"one"
    assert reader.read() == b" two"
    assert reader.read() == b""
    assert not hasattr(reader, "seek")
    assert (reader.size, reader.sha256[:8]) == (7, "8ab63e29")


def test_an_upload_that_is_overtaken_reads_no_further() -> None:
    file = io.BytesIO(b"one two")
    with pytest.raises(Overtaken):
        HashedReader(file, lambda: True).read(3)
    assert file.tell() == 0


def test_what_s3_has_taken_adds_up() -> None:
    moved = Moved()
    moved.add(3)
    moved.add(4)
    assert moved.bytes == 7
