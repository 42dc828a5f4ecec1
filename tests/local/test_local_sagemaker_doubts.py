"""Where nobody knows how AWS behaves, the local one behaves as it is told to."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.doubts import ALGORITHM_REGISTRY, INJECTED_METRICS, NAMES, TAGS_LAG_SECONDS
from tests.local.local_sagemaker_driver import Driver, refused, sagemaker_in

TEAM = [{"Key": "team", "Value": "vision"}]
GROUPS = {
    "InstanceGroups": [
        {"InstanceGroupName": "all", "InstanceType": "ml.m5.large", "InstanceCount": 1}
    ],
    "VolumeSizeInGB": 1,
}
OF_SAGEMAKER = [{"Key": "sagemaker:domain-arn", "Value": "x"}]
NOT_FOUND = ("ValidationException", "Requested resource not found.")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("known")) as driver:
        yield driver


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("other"), "--doubt", "all") as driver:
        yield driver


def test_how_a_missing_job_is_told_of(known: Driver, other: Driver) -> None:
    for driver, expected in ((known, NOT_FOUND[1]), (other, "Could not find the training job.")):
        sagemaker = driver.sagemaker
        listed = refused(sagemaker.list_tags, ResourceArn=driver.arn("gone"))
        described = refused(sagemaker.describe_training_job, TrainingJobName="gone")
        assert listed == described == ("ValidationException", expected)
        stopped = refused(sagemaker.stop_training_job, TrainingJobName="gone")
        assert stopped == NOT_FOUND, "nobody doubts what the other operations say"


def test_tags_may_come_a_moment_after_their_job(known: Driver, other: Driver) -> None:
    arn = known.arn("tagged")
    known.start("tagged", "sleep 600", Tags=TEAM)
    assert known.sagemaker.list_tags(ResourceArn=arn)["Tags"] == TEAM
    began = time.monotonic()
    other.start("tagged", "sleep 600", Tags=TEAM)
    at_once = other.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert at_once == [] or time.monotonic() - began > TAGS_LAG_SECONDS
    time.sleep(TAGS_LAG_SECONDS)
    assert other.sagemaker.list_tags(ResourceArn=arn)["Tags"] == TEAM


def test_search_may_take_no_tag_that_is_not_there(known: Driver, other: Driver) -> None:
    asked = {"Filters": [{"Name": "Tags.a", "Operator": "NotExists"}]}
    below = {"SubExpressions": [asked]}
    assert "Results" in known.sagemaker.search(Resource="TrainingJob", SearchExpression=below)
    for expression in (asked, below):
        code, text = refused(
            other.sagemaker.search, Resource="TrainingJob", SearchExpression=expression
        )
        assert (code, "NotExists" in text) == ("ValidationException", True)


def test_counts_of_nothing_may_be_shown_beside_groups(known: Driver, other: Driver) -> None:
    for driver, more in ((known, {}), (other, {"InstanceCount": 0})):
        ended = driver.run("grouped", ResourceConfig=GROUPS)
        assert ended["TrainingJobStatus"] == "Completed"
        assert ended["ResourceConfig"] == GROUPS | more
        again = driver.request("grouped-again", ResourceConfig=GROUPS | {"InstanceCount": 0})
        assert "InstanceGroups" in refused(driver.sagemaker.create_training_job, **again)[1]


def test_tags_of_sagemakers_own_may_not_be_sent(known: Driver, other: Driver) -> None:
    assert known.run("studio", Tags=OF_SAGEMAKER)["TrainingJobStatus"] == "Completed"
    request = other.request("studio", Tags=OF_SAGEMAKER)
    assert "sagemaker:" in refused(other.sagemaker.create_training_job, **request)[1]


def test_a_tag_may_be_a_change_of_its_job(known: Driver, other: Driver) -> None:
    for driver, moves in ((known, False), (other, True)):
        before = driver.run("touched")
        driver.sagemaker.add_tags(ResourceArn=before["TrainingJobArn"], Tags=TEAM)
        after = driver.describe("touched")
        assert (after["LastModifiedTime"] > before["LastModifiedTime"]) is moves
        assert after["TrainingEndTime"] == before["TrainingEndTime"]


def test_metrics_may_be_added_to_an_algorithm_and_not_be_taken_back(
    known: Driver, other: Driver
) -> None:
    algorithm = {
        "TrainingImage": f"{ALGORITHM_REGISTRY}us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["true"],
    }
    for driver, more in ((known, {}), (other, {"MetricDefinitions": INJECTED_METRICS})):
        shown = driver.run("algorithm", AlgorithmSpecification=algorithm)["AlgorithmSpecification"]
        assert shown == algorithm | more
    request = other.request("algorithm-again", AlgorithmSpecification=shown)
    assert "metric definitions" in refused(other.sagemaker.create_training_job, **request)[1]


@pytest.mark.parametrize("ahead", [-3600, 1])
def test_a_schedule_may_have_to_lie_ahead(known: Driver, other: Driver, ahead: int) -> None:
    at = datetime.now(UTC) + timedelta(seconds=ahead)
    asked = {
        "Name": f"wake-{abs(ahead)}",
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:sqs:us-east-1:123456789012:q",
            "RoleArn": known.role("training"),
        },
    }
    assert known.aws.client("scheduler").create_schedule(**asked)["ScheduleArn"]
    code, text = refused(other.aws.client("scheduler").create_schedule, **asked)
    assert (code, "future" in text) == ("ValidationException", True)


def test_a_job_that_was_pending_for_too_long_is_stopped_in_one_word_or_another(
    known: Driver, other: Driver
) -> None:
    for driver, secondary in ((known, "Stopped"), (other, "MaxPendingTimeExceeded")):
        driver.aws.fault("pending", "queued")
        ended = driver.run("queued")
        assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", secondary)
        assert "TrainingStartTime" not in ended
        assert "FailureReason" not in ended
        last = ended["SecondaryStatusTransitions"][-1]
        assert "MaxPendingTimeInSeconds" in last["StatusMessage"]
        assert driver.statuses(ended) == ["Starting", "Pending", secondary]


def test_a_person_may_stop_a_job_that_is_pending(known: Driver) -> None:
    known.aws.fault("pending", "unwanted")
    known.until(known.start("unwanted"), secondary="Pending")
    known.sagemaker.stop_training_job(TrainingJobName="unwanted")
    ended = known.until("unwanted")
    assert known.statuses(ended) == ["Starting", "Pending", "Stopping", "Stopped"]
    assert "pending" not in ended["SecondaryStatusTransitions"][-1]["StatusMessage"]


def test_a_doubt_that_is_none_ends_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("none")
    with (
        pytest.raises(RuntimeError, match="did not start"),
        sagemaker_in(folder, "--doubt", "tag-lags"),
    ):
        pass
    assert all(name in (folder / "aws.log").read_text() for name in NAMES)
