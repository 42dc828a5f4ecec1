"""A job as DescribeTrainingJob would show it, from what an event tells of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from local.in_memory import create_shape
from resilience.wire import environment
from resilience.wire.tags import (
    ATTEMPT,
    CHECKPOINT,
    CHECKPOINT_STEP,
    COMPLETED,
    LEDGER,
    NO_CHECKPOINT,
    PARENT,
    REJECTED,
    ROOT,
    UNFINISHED,
)
from resilience.wire.words import stamp

_ENTRIES = {
    ROOT: environment.ROOT,
    PARENT: environment.PARENT,
    ATTEMPT: environment.ATTEMPT,
    CHECKPOINT: environment.CHECKPOINT,
    CHECKPOINT_STEP: environment.CHECKPOINT_STEP,
    LEDGER: environment.LEDGER,
    REJECTED: environment.REJECTED,
}
_TOKEN = "0" * 32  # of a world that is made up
_TIMES = frozenset(
    {"CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"}
    | {"StartTime", "EndTime"}
)


def described(detail: Mapping[str, object], *, account: str, region: str) -> dict[str, object]:
    """Fill up what an event leaves out, and mend what only an event shows.

    An event has times as milliseconds, numbers or digits, and nulls; Describe has neither.
    """
    known = {name: _mended(name, value) for name, value in detail.items() if value is not None}
    known.pop("Tags", None)
    assumed = _assumed(account, region)
    for name in create_shape().required_members:
        own, whole = known.get(name), assumed.get(name)
        if isinstance(own, dict) and isinstance(whole, dict):
            known[name] = {**whole, **own}
        elif whole is not None:
            known.setdefault(name, whole)
    return {"EnableManagedSpotTraining": False, "EnableNetworkIsolation": False} | known


def launched_with(tags: Mapping[str, str], parent_created: object = None) -> dict[str, str]:
    """The Environment that a job with such tags was launched with, no event shows it.

    The controller writes each lineage tag of a successor into its Environment as well; and a job
    that marks its completion was launched with a token.
    """
    born = {
        name: tags[tag]
        for tag, name in _ENTRIES.items()
        if tags.get(tag) and tags[tag] != NO_CHECKPOINT
    }
    if tags.get(COMPLETED) == UNFINISHED:
        born[environment.COMPLETION_TOKEN] = _TOKEN
    if isinstance(parent_created, datetime):
        born[environment.PARENT_CREATED] = stamp(int(parent_created.timestamp()))
    return born


def _assumed(account: str, region: str) -> dict[str, object]:
    bucket = f"s3://sagemaker-{region}-{account}"
    return {
        "AlgorithmSpecification": {
            "TrainingImage": f"{account}.dkr.ecr.{region}.amazonaws.com/training:1",
            "TrainingInputMode": "File",
        },
        "RoleArn": f"arn:aws:iam::{account}:role/TrainingRole",
        "OutputDataConfig": {"S3OutputPath": f"{bucket}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.2xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 100,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
    }


def _mended(name: str, value: object) -> object:
    if name in _TIMES:
        return _instant(value)
    if isinstance(value, dict):
        return {key: _mended(key, inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_mended("", inner) for inner in value]
    return value


def _instant(value: object) -> object:
    """Milliseconds since the epoch, as a number or as its digits."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
        return datetime.fromtimestamp(float(value) / 1000, UTC)
    return value
