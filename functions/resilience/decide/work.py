"""What DescribeTrainingJob shows of an attempt's work: what a job cannot say of itself. Pure.

A container writes its own FailureReason. When the job began to train, what it was billed for and
which states it went through, SageMaker writes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from resilience import failures
from resilience.decide import breaker
from resilience.failures import Blame, Classification, End, FailureClass

_NEVER_TRAINED = frozenset({FailureClass.CAPACITY, FailureClass.QUOTA})
# SageMaker begins a reason so itself; what a container says comes after "AlgorithmError:".
_LOST_CAPACITY = "CapacityError"
_TRAINING, _STOPPING = "Training", "Stopping"
# A job that SageMaker gave up on before it started: AWS Batch's guide on service jobs, "the job
# timed out in pending"; botocore, MaxPendingTimeInSeconds, "can be pending before it is stopped".
_PENDING = ("pending", "capacity")


def started(described: Mapping[str, object]) -> bool:
    """Whether the training ever began."""
    billed = described.get("BillableTimeInSeconds")
    return (
        isinstance(described.get("TrainingStartTime"), datetime)
        or (isinstance(billed, int) and billed > 0)
        or any(status == _TRAINING for status, _ in transitions(described))
    )


def seconds(described: Mapping[str, object]) -> int:
    """How long the attempt trained; 0 where it never began, or nobody knows."""
    trained = _seconds_trained(described)
    return max(0, int(trained)) if trained is not None else 0


def signature(described: Mapping[str, object]) -> str:
    """A hash of the failure's text without what differs from one time to the next."""
    return failures.signature(str(described.get("FailureReason") or ""))


def hosts(described: Mapping[str, object]) -> int:
    """How many instances the job had, each with a log of its own: at least one."""
    config = described.get("ResourceConfig")
    resources = config if isinstance(config, dict) else {}
    groups = resources.get("InstanceGroups") or [resources]
    return max(1, sum(int(group.get("InstanceCount") or 0) for group in groups))


def transitions(described: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The secondary statuses that the job went through, oldest first, each with its message."""
    listed = described.get("SecondaryStatusTransitions")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict):
            yield str(one.get("Status", "")), str(one.get("StatusMessage", ""))


def classification(described: Mapping[str, object], completed_mark: bool | None) -> Classification:  # noqa: FBT001 — None is the third answer
    """The class of the end, by its texts and by what SageMaker saw."""
    reason = described.get("FailureReason")
    by_text = failures.classify(
        End(
            status=str(described.get("TrainingJobStatus")),
            secondary_status=str(described.get("SecondaryStatus")),
            failure_reason=None if reason is None else str(reason),
            transition_messages=tuple(message for _, message in transitions(described)),
            completed_mark=completed_mark,
        )
    )
    return corrected(by_text, described)


def cause(described: Mapping[str, object]) -> str:
    """What the fleet breaker counts the end as, from what Search shows of it."""
    return cause_of(classification(described, None).failure_class, signature(described))


def cause_of(failure_class: FailureClass | None, signature: str) -> str:
    """The same from parts; empty where it ended well or a person ended it.

    By the FailureReason alone: the sweep reads no logs, and both must say the same.
    """
    if failure_class is None or failure_class is FailureClass.STOPPED_BY_USER:
        return ""
    outside = failures.row(failure_class).blame is Blame.OUTSIDE
    return breaker.cause(str(failure_class), signature, outside=outside)


def corrected(by_text: Classification, described: Mapping[str, object]) -> Classification:
    """Correct what a text says by what SageMaker saw."""
    if not started(described):
        return _timed_out_in_pending(by_text, described)
    if _was_stopped(described):
        return _stopped(described)
    if by_text.failure_class not in _NEVER_TRAINED:
        return by_text
    if str(described.get("FailureReason", "")).lstrip().startswith(_LOST_CAPACITY):
        return Classification(FailureClass.INFRASTRUCTURE, "capacity_lost")
    return Classification(FailureClass.UNKNOWN, f"{by_text.failure_class}_after_start")


def _timed_out_in_pending(
    by_text: Classification, described: Mapping[str, object]
) -> Classification:
    if described.get("TrainingJobStatus") != "Stopped":
        return by_text
    # What was said of the wait itself stands there as well when a person stops it: the last word
    # is what tells how it ended.
    messages = [message for _, message in transitions(described)]
    texts = (described.get("SecondaryStatus"), described.get("FailureReason"), *messages[-1:])
    if any(word in str(text).lower() for text in texts for word in _PENDING):
        return Classification(FailureClass.CAPACITY, "timed_out_in_pending")
    return by_text


def _was_stopped(described: Mapping[str, object]) -> bool:
    """Whether the job failed while it was being stopped."""
    failed = described.get("TrainingJobStatus") == described.get("SecondaryStatus") == "Failed"
    return failed and any(status == _STOPPING for status, _ in transitions(described))


def _stopped(described: Mapping[str, object]) -> Classification:
    limit, trained = _time_limit(described), _seconds_trained(described)
    if limit is not None and trained is not None and trained >= limit:
        return Classification(FailureClass.TIMEOUT, "stopped_at_the_time_limit")
    return Classification(FailureClass.STOPPED_BY_USER, "stopping_then_failed")


def _time_limit(described: Mapping[str, object]) -> int | None:
    condition = described.get("StoppingCondition")
    limit = condition.get("MaxRuntimeInSeconds") if isinstance(condition, dict) else None
    return limit if isinstance(limit, int) else None


def _seconds_trained(described: Mapping[str, object]) -> float | None:
    start, end = described.get("TrainingStartTime"), described.get("TrainingEndTime")
    if not (isinstance(start, datetime) and isinstance(end, datetime)):
        return None
    return (end - start).total_seconds()
