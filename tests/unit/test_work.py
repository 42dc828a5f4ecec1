"""What SageMaker shows of an attempt's work, whatever its container says."""

from datetime import UTC, datetime

import pytest

from resilience import work
from resilience.failures import Classification, FailureClass

START = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
CAPACITY = Classification(FailureClass.CAPACITY, "capacity")


@pytest.mark.parametrize(
    ("described", "started"),
    [
        ({}, False),
        ({"TrainingStartTime": START}, True),
        ({"TrainingStartTime": None}, False),
        ({"BillableTimeInSeconds": 0}, False),
        ({"BillableTimeInSeconds": 1}, True),
        ({"SecondaryStatusTransitions": [{"Status": "Starting"}]}, False),
        ({"SecondaryStatusTransitions": [{"Status": "Starting"}, {"Status": "Training"}]}, True),
        ({"SecondaryStatusTransitions": "Training"}, False),
        ({"FailureReason": "Training"}, False),
    ],
)
def test_a_job_began_to_train_where_sagemaker_saw_it(
    described: dict[str, object], *, started: bool
) -> None:
    assert work.started(described) is started


def test_capacity_is_believed_of_a_job_that_never_started() -> None:
    assert work.corrected(CAPACITY, {"TrainingJobStatus": "Failed"}) == CAPACITY


@pytest.mark.parametrize("failure_class", [FailureClass.CAPACITY, FailureClass.QUOTA])
def test_after_the_start_a_text_about_capacity_says_nothing(failure_class: FailureClass) -> None:
    by_text = Classification(failure_class, "some_rule")
    found = work.corrected(by_text, {"TrainingStartTime": START, "FailureReason": "AlgorithmError"})
    assert found == Classification(FailureClass.UNKNOWN, f"{failure_class}_after_start")


def test_a_time_out_is_pending_only_where_something_says_so() -> None:
    stopped = Classification(FailureClass.STOPPED_BY_USER, "stopped")
    described: dict[str, object] = {"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
    assert work.corrected(stopped, described) == stopped
    pending = described | {"SecondaryStatus": "PendingTimeExceeded"}
    assert work.corrected(stopped, pending).failure_class is FailureClass.CAPACITY


@pytest.mark.parametrize("limit", [3599, 3600, None, "3600"])
def test_a_stop_at_the_time_limit_is_the_limits_and_any_other_a_persons(limit: object) -> None:
    by_text = Classification(FailureClass.USER_CODE, "exit_code")
    described: dict[str, object] = {
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "TrainingStartTime": START,
        "TrainingEndTime": START.replace(hour=3),
        "SecondaryStatusTransitions": [{"Status": "Training"}, {"Status": "Stopping"}],
        "StoppingCondition": {"MaxRuntimeInSeconds": limit},
    }
    at_the_limit = isinstance(limit, int)
    expected = FailureClass.TIMEOUT if at_the_limit else FailureClass.STOPPED_BY_USER
    assert work.corrected(by_text, described).failure_class is expected
    unfinished = described | {"SecondaryStatusTransitions": [{"Status": "Training"}]}
    assert work.corrected(by_text, unfinished) == by_text


@pytest.mark.parametrize(
    ("resources", "hosts"),
    [
        ({"InstanceType": "ml.g5.2xlarge", "InstanceCount": 4}, 4),
        ({"InstanceGroups": [{"InstanceCount": 2}, {"InstanceCount": 3}]}, 5),
        ({"InstanceCount": 0, "InstanceGroups": [{"InstanceCount": 2}]}, 2),
        ({"InstanceCount": 4, "InstanceGroups": []}, 4),
        ({}, 1),
        (None, 1),
    ],
)
def test_each_instance_of_each_group_is_a_host(resources: object, hosts: int) -> None:
    assert work.hosts({"ResourceConfig": resources}) == hosts
