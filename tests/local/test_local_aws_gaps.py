"""Where MiniStack was not as AWS is, and foreign clients met it."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.local_sagemaker_driver import BUCKET, Driver, sagemaker_in


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws")) as driver:
        yield driver


def test_an_upload_without_a_key_of_its_own_is_under_the_key_of_s3(local: Driver) -> None:
    put = local.s3.put_object(Bucket=BUCKET, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    head = local.s3.head_object(Bucket=BUCKET, Key="k")
    for answer in (put, head):
        assert answer["ServerSideEncryption"] == "aws:kms"
        assert answer["SSEKMSKeyId"].startswith(
            f"arn:aws:kms:{local.aws.region}:{local.aws.account}:key/"
        )
    assert put["SSEKMSKeyId"] == head["SSEKMSKeyId"]


def test_a_large_upload_and_a_copy_are_under_the_key_of_s3_too(local: Driver) -> None:
    made = local.s3.create_multipart_upload(Bucket=BUCKET, Key="l", ServerSideEncryption="aws:kms")
    assert made["SSEKMSKeyId"].startswith("arn:aws:kms:")
    source = {"Bucket": BUCKET, "Key": "plain"}
    local.s3.put_object(**source, Body=b"x")
    copied = local.s3.copy_object(
        Bucket=BUCKET, Key="copy", CopySource=source, ServerSideEncryption="aws:kms"
    )
    assert copied["SSEKMSKeyId"].startswith("arn:aws:kms:")


def test_a_key_that_is_named_is_the_one(local: Driver) -> None:
    named = "arn:aws:kms:us-east-1:123456789012:key/mine"
    put = local.s3.put_object(
        Bucket=BUCKET, Key="m", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=named
    )
    assert put["SSEKMSKeyId"] == named


def test_the_runbooks_first_command_gives_the_lines_of_one_job(local: Driver) -> None:
    logs = local.aws.client("logs")
    group, stream = "/aws/lambda/on-training-ended", "a"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    lines = [
        json.dumps({"job": "my-job", "n": 1}), json.dumps({"job": "my-job-r2"}), "START my-job",
        json.dumps({"job": "my-job", "n": 2}),
    ]  # fmt: skip
    now = int(time.time() * 1000)
    batch = [{"timestamp": now + at, "message": line} for at, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)

    def found(pattern: str) -> list[str]:
        events = logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
        return [str(event["message"]) for event in events]

    assert found('{ $.job = "my-job" }') == [lines[0], lines[3]]
    assert found("") == lines
    with pytest.raises(ClientError, match="InvalidParameterException"):
        found("{ $.job EXISTS }")


def test_a_job_has_no_model_before_there_is_one(local: Driver) -> None:
    """The API's model requires the member, and AWS leaves it out while a job runs."""
    name = local.start("still-running", "sleep 60")
    assert "ModelArtifacts" not in local.describe(name)
    local.sagemaker.stop_training_job(TrainingJobName=name)
    assert local.until(name)["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://")


@pytest.fixture(scope="module")
def versions(local: Driver) -> tuple[dict[str, str], bytes]:
    """An object of which the first version is large, and the newest is another."""
    local.s3.create_bucket(Bucket="versioned")
    local.s3.put_bucket_versioning(
        Bucket="versioned", VersioningConfiguration={"Status": "Enabled"}
    )
    whole = os.urandom((9 << 20) + 5)
    where = {"Bucket": "versioned", "Key": "a/b"}
    first = local.s3.put_object(**where, Body=whole)["VersionId"]
    local.s3.put_object(**where, Body=b"the newest")
    return {**where, "VersionId": first}, whole


def test_an_old_version_of_more_than_one_part_is_downloaded_as_it_was(
    local: Driver, versions: tuple[dict[str, str], bytes], tmp_path: Path
) -> None:
    """boto3 loads what is larger than 8 MB in parts, by ranges of the version."""
    asked, whole = versions
    version = {"VersionId": asked["VersionId"]}
    local.s3.download_file("versioned", "a/b", str(tmp_path / "b"), ExtraArgs=version)
    assert (tmp_path / "b").read_bytes() == whole


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=2-5", slice(2, 6)), ("bytes=9437180-", slice(9437180, None)),
     ("bytes=-3", slice(-3, None)), ("bytes=9437180-99999999", slice(9437180, None))],
)  # fmt: skip
def test_a_range_of_a_version_is_that_part(
    local: Driver, versions: tuple[dict[str, str], bytes], asked: str, part: slice
) -> None:
    which, whole = versions
    answer: dict[str, Any] = local.s3.get_object(**which, Range=asked, ChecksumMode="ENABLED")
    assert answer["Body"].read() == whole[part]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    first, last, _ = part.indices(len(whole))
    assert answer["ContentRange"] == f"bytes {first}-{last - 1}/{len(whole)}"
    assert answer["VersionId"] == which["VersionId"]


def test_a_range_beyond_the_version_is_refused(
    local: Driver, versions: tuple[dict[str, str], bytes]
) -> None:
    with pytest.raises(ClientError, match="InvalidRange"):
        local.s3.get_object(**versions[0], Range="bytes=9437189-")


def test_a_version_without_a_range_is_whole(
    local: Driver, versions: tuple[dict[str, str], bytes]
) -> None:
    which, whole = versions
    assert local.s3.get_object(**which)["Body"].read() == whole
    assert local.s3.get_object(**which, Range="bytes 2-5")["Body"].read() == whole
