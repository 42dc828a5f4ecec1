"""Misfortunes to order: what each does to a job, and what SageMaker then says of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.local.local_sagemaker_driver import (
    BUCKET,
    Driver,
    alive,
    sagemaker_in,
    ticks,
)

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
FOREVER = "echo up; sleep 600 & sleep 600"
# Deaf to what asks it to end, until a test lets it: how long a grace is, decides nothing.
DEAF = "trap '' TERM; echo up; while ! [ -e /opt/ml/go ]; do sleep 0.05; done"
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    options = ("--stop-grace", "600", "--checkpoint-sync", "0.05")
    with sagemaker_in(tmp_path_factory.mktemp("aws"), *options) as driver:
        yield driver


@pytest.fixture
def local(served: Driver) -> Iterator[Driver]:
    yield served
    served.aws.clear_faults()


def running(local: Driver, name: str, script: str = FOREVER, **more: object) -> list[int]:
    """Start a job and return its processes once it speaks."""
    local.start(name, script, **more)
    local.until_said(name, "up")
    pids: list[int] = local.overview(name)["pids"]
    return pids


def let_end(local: Driver, name: str) -> None:
    (directory,) = local.overview(name)["directories"]
    Path(directory, "go").touch()


def restarted(local: Driver, name: str) -> None:
    """Wait until the job has a second container."""
    for _ in ticks():
        if len(local.overview(name)["directories"]) == 2:
            return
    raise AssertionError(f"{name} has not started again")


def test_a_gpu_fault_kills_every_process_and_is_an_internal_error(local: Driver) -> None:
    pids = running(local, "gpu")
    assert len(pids) >= 2
    local.aws.fault("gpu", "gpu")
    job = local.until("gpu")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", INTERNAL)
    assert not alive(pids)
    assert "Uploading" not in local.statuses(job)


def test_a_gpu_fault_can_say_what_cuda_said(local: Driver) -> None:
    told = "AlgorithmError: RuntimeError: CUDA error: uncorrectable ECC error encountered"
    running(local, "ecc")
    local.aws.fault("gpu", "ecc", reason=told)
    assert local.until("ecc")["FailureReason"] == told


def test_a_retry_strategy_starts_an_internal_error_again(local: Driver) -> None:
    running(local, "retried", RetryStrategy={"MaximumRetryAttempts": 1})
    local.aws.fault("gpu", "retried")
    restarted(local, "retried")
    job = local.until("retried", secondary="Training")
    assert local.statuses(job).count("Starting") == 2
    local.aws.fault("gpu", "retried")
    assert local.until("retried")["FailureReason"] == INTERNAL


def test_a_retry_strategy_leaves_an_algorithm_error_alone(local: Driver) -> None:
    job = local.run("not-retried", "exit 1", RetryStrategy={"MaximumRetryAttempts": 3})
    assert local.statuses(job).count("Training") == 1


def test_out_of_memory_is_a_client_error(local: Driver) -> None:
    running(local, "oom")
    local.aws.fault("oom", "oom")
    reason = local.until("oom")["FailureReason"]
    assert reason.startswith("ClientError: Please use an instance type with more memory")


def test_a_spot_interruption_asks_first_and_ends_as_waited_too_long(local: Driver) -> None:
    running(local, "spot", "trap 'echo asked; exit 143' TERM; echo up; sleep 600 & wait", **SPOT)
    local.aws.fault("spot", "spot")
    job = local.until("spot")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert "FailureReason" not in job
    assert "Interrupted" in local.statuses(job)
    assert "asked" in local.log("spot")


def test_a_spot_job_that_finds_capacity_again_goes_on_from_its_checkpoints(local: Driver) -> None:
    saved = "/opt/ml/checkpoints/step"
    script = f"cat {saved} && exit 0; echo 41 > {saved}; echo up; sleep 600"
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints/spot"}
    running(local, "spot-back", script, CheckpointConfig=config, **SPOT)
    local.aws.fault("spot", "spot-back", resume=True)
    job = local.until("spot-back")
    assert job["TrainingJobStatus"] == "Completed"
    assert local.statuses(job).count("Training") == 2
    assert local.log("spot-back").endswith("41\n")


def test_a_repair_restarts_the_container_within_the_job(local: Driver) -> None:
    first = running(local, "repaired", "[ -e /opt/ml/model/m ] && exit 9; echo up; sleep 600")
    local.aws.fault("repair", "repaired")
    restarted(local, "repaired")
    job = local.until("repaired", secondary="Training")
    assert job["TrainingJobStatus"] == "InProgress"
    assert local.statuses(job).count("Training") == 2
    messages = [one["StatusMessage"] for one in job["SecondaryStatusTransitions"]]
    assert "Repairing training cluster due to hardware failure" in messages
    assert not alive(first)
    local.sagemaker.stop_training_job(TrainingJobName="repaired")
    local.until("repaired")


def test_a_sigterm_reaches_every_process_and_the_job_says_how_it_took_it(local: Driver) -> None:
    running(local, "termed", "trap 'exit 143' TERM; echo up; sleep 600 & wait")
    local.aws.fault("sigterm", "termed")
    assert local.until("termed")["FailureReason"] == "AlgorithmError: , exit code: 143"


def test_without_capacity_a_job_fails_before_it_trains(local: Driver) -> None:
    local.aws.fault("capacity", "wanted-*", count=1)
    job = local.run("wanted-1")
    assert job["FailureReason"].startswith("CapacityError: Unable to provision requested ML")
    assert "TrainingStartTime" not in job
    assert local.statuses(job) == ["Starting", "Failed"]
    assert local.run("wanted-2")["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("create_throttle", "ThrottlingException"), ("create_quota", "ResourceLimitExceeded")],
)
def test_a_create_is_refused_as_often_as_ordered(local: Driver, kind: str, code: str) -> None:
    name = kind.replace("_", "-")
    # botocore sends a throttled call once more by itself.
    local.aws.fault(kind, name, count=2 if kind == "create_throttle" else 1)
    with pytest.raises(ClientError) as refusal:
        local.start(name)
    assert refusal.value.response["Error"]["Code"] == code
    assert local.run(name)["TrainingJobStatus"] == "Completed"


def test_a_create_whose_answer_is_lost_has_still_created_the_job(local: Driver) -> None:
    local.aws.fault("create_lost", "lost")
    with pytest.raises(ClientError) as refusal:
        local.start("lost")
    # botocore sent it again, as it does after a 500, and was told that the name is taken.
    assert refusal.value.response["Error"]["Code"] == "ResourceInUse"
    assert local.until("lost")["TrainingJobStatus"] == "Completed"


def test_a_stale_describe_tells_of_the_state_before_the_last(local: Driver) -> None:
    local.run("stale")
    local.aws.fault("describe_stale", "stale", count=1)
    assert local.describe("stale")["TrainingJobStatus"] == "InProgress"
    assert local.describe("stale")["TrainingJobStatus"] == "Completed"


def test_a_slow_operation_outlasts_its_callers_patience_and_another_does_not(local: Driver) -> None:
    local.run("slow")
    local.aws.fault("slow", "slow", operation="DescribeTrainingJob", seconds=8)
    hasty = boto3.client(
        "sagemaker",
        region_name=local.aws.region,
        endpoint_url=local.aws.endpoint,
        aws_access_key_id=local.aws.access_key,
        aws_secret_access_key=local.aws.secret_key,
        config=Config(read_timeout=1, retries={"total_max_attempts": 1}),
    )
    asked = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        hasty.describe_training_job(TrainingJobName="slow")
    hasty.close()
    assert local.sagemaker.list_tags(ResourceArn=local.arn("slow"))["Tags"] == []
    assert time.monotonic() - asked < 8, "the server answered while it held the other call back"


def test_a_fault_for_no_running_job_is_refused(local: Driver) -> None:
    with pytest.raises(ValueError, match="no running job matches 'nobody'"):
        local.aws.fault("gpu", "nobody")


def test_an_unknown_fault_is_told_the_known_ones(local: Driver) -> None:
    with pytest.raises(ValueError, match=r"unknown kind 'fire'; one of: capacity, create_lost"):
        local.aws.fault("fire")


def test_a_job_that_is_stopped_while_it_changes_machines_does_not_come_back(local: Driver) -> None:
    running(local, "caught", DEAF, **SPOT)
    local.aws.fault("spot", "caught", resume=True)
    local.until("caught", secondary="Interrupted")
    local.sagemaker.stop_training_job(TrainingJobName="caught")
    let_end(local, "caught")
    job = local.until("caught")
    assert job["SecondaryStatus"] == "Stopped"
    assert local.statuses(job).count("Training") == 1


def test_a_stopped_job_stays_stopped_even_when_its_gpu_fails_on_the_way(local: Driver) -> None:
    running(local, "both", DEAF)
    local.sagemaker.stop_training_job(TrainingJobName="both")
    local.aws.fault("gpu", "both")
    let_end(local, "both")
    assert local.until("both")["SecondaryStatus"] == "Stopped"
