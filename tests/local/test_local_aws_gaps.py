"""Where MiniStack was not as AWS is, and foreign clients met it."""

import json
import time
from collections.abc import Iterator

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
