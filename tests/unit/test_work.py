"""What SageMaker shows of an attempt's work, whatever its container says."""

from datetime import UTC, datetime, timedelta

import pytest

from resilience.decide import work
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


@pytest.mark.parametrize(
    ("described", "seconds"),
    [
        ({}, 0),
        ({"TrainingStartTime": START}, 0),
        ({"TrainingEndTime": START}, 0),
        ({"TrainingStartTime": START, "TrainingEndTime": START}, 0),
        ({"TrainingStartTime": START, "TrainingEndTime": START + timedelta(seconds=90)}, 90),
        ({"TrainingStartTime": START, "TrainingEndTime": START + timedelta(seconds=90.9)}, 90),
        ({"TrainingStartTime": START, "TrainingEndTime": START + timedelta(days=11)}, 950_400),
        ({"TrainingStartTime": START, "TrainingEndTime": START - timedelta(seconds=90)}, 0),
        ({"TrainingStartTime": 0, "TrainingEndTime": 90}, 0),
        ({"BillableTimeInSeconds": 90}, 0),
    ],
)
def test_how_long_it_trained_is_what_sagemaker_saw_and_otherwise_nothing(
    described: dict[str, object], seconds: int
) -> None:
    assert work.seconds(described) == seconds


def signature(text: str) -> str:
    return work.signature({"FailureReason": text})


SAME_REASON = [
    "AlgorithmError: IndexError: index 7 is out of bounds for axis 0 with size 5, exit code: 1",
    "AlgorithmError: IndexError: index 99 is out of bounds for axis 0 with size 12, exit code: 1",
    "ALGORITHMERROR:  IndexError: index 7\n is out of bounds for axis 0 with size 5, exit code: 2",
]


def test_a_reason_has_one_signature_whatever_its_numbers_case_and_breaks() -> None:
    assert len({signature(text) for text in SAME_REASON}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no such file: /opt/ml/input/a.csv", "no such file: /tmp/b.parquet"),
        ("invalid access at 0x7f00aa", "invalid access at 0xDEADBEEF"),
        ("[rank 3]: nan in the loss", "[rank 12]: nan in the loss"),
        ("[rank0]: nan in the loss", "[rank7]: nan in the loss"),
        ("rank 3: nan in the loss", "rank 4: nan in the loss"),
    ],
)
def test_paths_addresses_and_ranks_are_none_of_a_reason(one: str, other: str) -> None:
    assert signature(one) == signature(other)


def test_another_reason_has_another_signature_and_none_has_one_as_well() -> None:
    texts = ["", "KeyError: 'a'", "KeyError: 'b'", "nan in the loss", *SAME_REASON[:1]]
    found = {signature(text) for text in texts}
    assert len(found) == len(texts)
    assert work.signature({}) == signature("")
    assert all(len(one) == 8 and set(one) <= set("0123456789abcdef") for one in found)


def test_a_signature_is_the_same_for_ever_and_holds_no_word_of_the_text() -> None:
    """A running lineage would lose count if a release wrote it otherwise."""
    assert signature("AlgorithmError: nan at step 5 in /opt/ml/code/train.py") == "255c9481"


@pytest.mark.parametrize(
    ("listed", "transitions"),
    [
        (None, []),
        ("Training", []),
        ([], []),
        ([{"Status": "Starting", "StatusMessage": "a"}, {}], [("Starting", "a"), ("", "")]),
        (["Training", None, {"Status": "Training"}], [("Training", "")]),
    ],
)
def test_transitions_are_read_in_their_order_and_what_is_none_is_passed_over(
    listed: object, transitions: list[tuple[str, str]]
) -> None:
    assert list(work.transitions({"SecondaryStatusTransitions": listed})) == transitions


def test_capacity_that_was_lost_after_the_start_is_a_machine_that_was_lost() -> None:
    lost = {"TrainingStartTime": START, "FailureReason": " CapacityError: lost"}
    assert work.corrected(CAPACITY, lost) == Classification(
        FailureClass.INFRASTRUCTURE, "capacity_lost"
    )
    said = {"TrainingStartTime": START, "FailureReason": "AlgorithmError: CapacityError"}
    assert work.corrected(CAPACITY, said).failure_class is FailureClass.UNKNOWN


def test_only_capacity_and_quota_say_nothing_after_the_start() -> None:
    for failure_class in set(FailureClass) - {FailureClass.CAPACITY, FailureClass.QUOTA}:
        by_text = Classification(failure_class, "some_rule")
        assert work.corrected(by_text, {"TrainingStartTime": START}) == by_text


def test_a_time_out_in_pending_is_told_by_the_last_word_and_of_a_stopped_job_only() -> None:
    stopped = Classification(FailureClass.STOPPED_BY_USER, "stopped")
    pending = {"Status": "Pending", "StatusMessage": "Insufficient capacity"}
    by_person = {"Status": "Stopped", "StatusMessage": "Training job stopped"}
    base: dict[str, object] = {"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
    for listed, failure_class in (
        ([pending], FailureClass.CAPACITY),
        ([pending, by_person], FailureClass.STOPPED_BY_USER),
        ([], FailureClass.STOPPED_BY_USER),
    ):
        found = work.corrected(stopped, base | {"SecondaryStatusTransitions": listed})
        assert found.failure_class is failure_class
    told = base | {"FailureReason": "Timed out in PENDING"}
    expected = Classification(FailureClass.CAPACITY, "timed_out_in_pending")
    assert work.corrected(stopped, told) == expected
    failed = told | {"TrainingJobStatus": "Failed"}
    assert work.corrected(stopped, failed) == stopped


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
    expected = (
        Classification(FailureClass.TIMEOUT, "stopped_at_the_time_limit")
        if isinstance(limit, int)
        else Classification(FailureClass.STOPPED_BY_USER, "stopping_then_failed")
    )
    assert work.corrected(by_text, described) == expected
    unfinished = described | {"SecondaryStatusTransitions": [{"Status": "Training"}]}
    assert work.corrected(by_text, unfinished) == by_text


STOPPING: dict[str, object] = {
    "TrainingStartTime": START,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "SecondaryStatusTransitions": [{"Status": "Training"}, {"Status": "Stopping"}],
}


@pytest.mark.parametrize(
    ("status", "secondary"), [("Stopped", "MaxRuntimeExceeded"), ("Failed", "MaxRuntimeExceeded")]
)
def test_a_job_whose_status_says_how_it_ended_is_not_read_by_its_transitions(
    status: str, secondary: str
) -> None:
    by_status = Classification(FailureClass.TIMEOUT, "max_runtime_exceeded")
    described = STOPPING | {"TrainingJobStatus": status, "SecondaryStatus": secondary}
    assert work.corrected(by_status, described) == by_status


def test_a_stop_whose_end_nobody_told_is_a_persons() -> None:
    by_text = Classification(FailureClass.USER_CODE, "exit_code")
    described = STOPPING | {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed"}
    assert work.corrected(by_text, described) == Classification(
        FailureClass.STOPPED_BY_USER, "stopping_then_failed"
    )


@pytest.mark.parametrize(
    ("resources", "hosts"),
    [
        ({"InstanceType": "ml.g5.2xlarge", "InstanceCount": 4}, 4),
        ({"InstanceGroups": [{"InstanceCount": 2}, {"InstanceCount": 3}]}, 5),
        ({"InstanceCount": 0, "InstanceGroups": [{"InstanceCount": 2}]}, 2),
        ({"InstanceCount": 4, "InstanceGroups": []}, 4),
        ({"InstanceGroups": [{"InstanceCount": 2}, {"InstanceGroupName": "spare"}]}, 2),
        ({}, 1),
        (None, 1),
    ],
)
def test_each_instance_of_each_group_is_a_host(resources: object, hosts: int) -> None:
    assert work.hosts({"ResourceConfig": resources}) == hosts


MACHINE = "CUDA error: uncorrectable ECC error encountered"
BUG = "IndexError: list index out of range"


def test_a_death_is_classified_by_its_status_its_reason_or_the_last_of_its_messages() -> None:
    failed: dict[str, object] = {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed"}
    told = failed | {"FailureReason": f"AlgorithmError: {MACHINE}"}
    assert work.classification(told, None).failure_class is FailureClass.INFRASTRUCTURE
    message = {"Status": "Starting", "StatusMessage": "Insufficient capacity error from EC2"}
    shown = failed | {"SecondaryStatusTransitions": [message]}
    assert work.classification(shown, None).failure_class is FailureClass.CAPACITY
    limit = failed | {"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"}
    assert work.classification(limit, None).failure_class is FailureClass.TIMEOUT
    completed = {"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}
    assert work.classification(completed, True).failure_class is None  # noqa: FBT003 — the mark
    assert work.classification(completed, False).failure_class is FailureClass.INCOMPLETE  # noqa: FBT003


@pytest.mark.parametrize(
    ("failure_class", "cause"),
    [
        (FailureClass.INFRASTRUCTURE, "infrastructure"),
        (FailureClass.INTERRUPTED, "interrupted"),
        (FailureClass.USER_CODE, "user_code/255c9481"),
        (FailureClass.OUT_OF_MEMORY, "out_of_memory/255c9481"),
        (FailureClass.PERMISSION, "permission/255c9481"),
        (FailureClass.STOPPED_BY_USER, ""),
        (None, ""),
    ],
)
def test_what_is_outside_is_one_cause_and_what_is_a_programs_one_for_each_of_its_words(
    failure_class: FailureClass | None, cause: str
) -> None:
    assert work.cause_of(failure_class, "255c9481") == cause


def test_the_fleet_counts_a_death_by_its_reason_alone() -> None:
    failed: dict[str, object] = {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed"}
    assert work.cause(failed | {"FailureReason": MACHINE}) == "infrastructure"
    bug = failed | {"FailureReason": BUG}
    assert work.cause(bug) == f"user_code/{work.signature(bug)}"
    assert work.cause({"TrainingJobStatus": "Completed"}) == ""
