"""One training job in each of the forms that the API and the events show it in."""

from typing import Any

from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.states import JobState, Transition

DEFAULTS: dict[str, Any] = {
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}
# SageMaker leaves everything else out of its events, the Environment above all.
IN_EVENTS = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
)
NOT_DESCRIBED = ("SessionChainingConfig",)


def present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _transition(one: Transition, scale: int = 1) -> dict[str, Any]:
    return present(
        {
            "Status": one.secondary,
            "StartTime": one.started * scale if scale == 1 else int(one.started * scale),
            "EndTime": None if one.ended is None else _time(one.ended, scale),
            "StatusMessage": one.message,
        }
    )


def _time(seconds: float | None, scale: int) -> float | None:
    if seconds is None:
        return None
    return seconds if scale == 1 else int(seconds * scale)


def _moments(state: JobState, scale: int = 1) -> dict[str, Any]:
    return present(
        {
            "CreationTime": _time(state.created, scale),
            "TrainingStartTime": _time(state.started, scale),
            "TrainingEndTime": _time(state.ended, scale),
            "LastModifiedTime": _time(state.modified, scale),
            "SecondaryStatusTransitions": [_transition(one, scale) for one in state.transitions],
        }
    )


def _durations(state: JobState) -> dict[str, Any]:
    if state.started is None or state.ended is None:
        return {}
    seconds = max(1, round(state.ended - state.started))
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}


def described(job: TrainingJob, state: JobState | None = None) -> dict[str, Any]:
    """DescribeTrainingJob: every member of the request comes back as it was sent."""
    state = state or job.state
    asked = {name: value for name, value in job.request.items() if name not in NOT_DESCRIBED}
    artifacts, metrics = state.model_artifacts, job.metrics.described()
    return {
        **DEFAULTS,
        **asked,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": state.status,
        "SecondaryStatus": state.secondary,
        **present({"FailureReason": state.failure_reason}),
        **({"ModelArtifacts": {"S3ModelArtifacts": artifacts}} if artifacts else {}),
        **_moments(state),
        **_durations(state),
        **({"FinalMetricDataList": metrics} if metrics else {}),
        "ProfilingStatus": "Disabled",
    }


def summary(job: TrainingJob) -> dict[str, Any]:
    state = job.state
    return present(
        {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": state.created,
            "TrainingEndTime": state.ended,
            "LastModifiedTime": state.modified,
            "TrainingJobStatus": state.status,
            "SecondaryStatus": state.secondary,
        }
    )


def found(job: TrainingJob) -> dict[str, Any]:
    """Show the job as Search does: described, with its tags."""
    shown = described(job)
    del shown["ProfilingStatus"]
    return {**shown, "Tags": tag_list(job.tags)}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def event_detail(job: TrainingJob) -> dict[str, Any]:
    """Tell of the job as EventBridge does: times in milliseconds, tags as a map."""
    state = job.state
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": state.status,
        "SecondaryStatus": state.secondary,
        **present({"FailureReason": state.failure_reason}),
        **{name: job.request[name] for name in IN_EVENTS if name in job.request},
        **_moments(state, 1000),
        "Tags": dict(job.tags),
    }
