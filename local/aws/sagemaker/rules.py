"""What AWS checks of a CreateTrainingJob request that its service model does not say."""

import re
from collections.abc import Iterator
from typing import Any

from local.aws.sagemaker import file_systems
from local.aws.sagemaker.cluster import cluster_of
from local.aws.sagemaker.errors import unsupported_here, validation
from local.doubts import Doubts, of_several_kinds, refusal

TAGS_PER_JOB = 50
DEFAULT_RUNTIME = 86400


def check_create(request: dict[str, Any], doubts: Doubts) -> None:
    doubtful = refusal(request, doubts)
    if doubtful is not None:
        raise validation(doubtful)
    check_resources(request)
    check_algorithm(request)
    check_stopping(request)
    check_channels(request)
    check_tags(request.get("Tags", []))
    check_local_limits(request)


def check_tags(tags: list[dict[str, str]], existing: dict[str, str] | None = None) -> None:
    keys = [tag["Key"] for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise validation(
                f"Tag keys cannot start with 'aws:'. This prefix is reserved for AWS use: {key}"
            )
    if len(set(keys)) != len(keys):
        raise validation("Duplicate tag keys found. Please ensure that tag keys are unique.")
    if len({*keys, *(existing or {})}) > TAGS_PER_JOB:
        raise validation(f"The resource cannot have more than {TAGS_PER_JOB} tags.")


def check_resources(request: dict[str, Any]) -> None:
    if "ServerlessJobConfig" in request:
        raise unsupported_here("ServerlessJobConfig")
    resources = request.get("ResourceConfig")
    if resources is None:
        raise validation("ResourceConfig must be provided.")
    of_one_kind = not of_several_kinds(request)
    if of_one_kind and ("InstanceType" not in resources or not resources.get("InstanceCount")):
        raise validation("InstanceType and InstanceCount must be provided in ResourceConfig.")
    if not cluster_of(request).hosts:
        raise validation("At least one instance must be asked for in ResourceConfig.")
    if not resources.get("VolumeSizeInGB"):
        raise validation("VolumeSizeInGB must be at least 1 in ResourceConfig.")


def check_search(expression: dict[str, Any]) -> None:
    """Refuse to look for a tag that is not there; whether AWS does is not known."""
    for one in expression.get("Filters", []):
        if one["Name"].startswith("Tags.") and one.get("Operator") == "NotExists":
            raise validation(f"The operator NotExists is not supported for {one['Name']}.")
    for below in expression.get("SubExpressions", []):
        check_search(below)


def check_algorithm(request: dict[str, Any]) -> None:
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is None:
        raise validation("AlgorithmSpecification must be provided.")
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise validation(
            "You must provide either TrainingImage or AlgorithmName in AlgorithmSpecification, "
            "but not both."
        )
    for metric in algorithm.get("MetricDefinitions", []):
        if not is_pattern(metric["Regex"]):
            raise validation(f"The regex of metric {metric['Name']} is invalid.")


def is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def check_stopping(request: dict[str, Any]) -> None:
    stopping = request.get("StoppingCondition", {})
    wait = stopping.get("MaxWaitTimeInSeconds")
    spot = request.get("EnableManagedSpotTraining", False)
    if wait is not None and not spot:
        raise validation(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is "
            "set to true"
        )
    if spot and (wait is None or wait < stopping.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME)):
        raise validation(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds when EnableManagedSpotTraining is set to true"
        )


def check_channels(request: dict[str, Any]) -> None:
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) != len(names):
        raise validation("Duplicate channel names are not allowed in InputDataConfig.")
    for channel in channels:
        if len(channel["DataSource"]) != 1:
            raise validation(f"Channel {channel['ChannelName']} must have exactly one data source.")


def check_local_limits(request: dict[str, Any]) -> None:
    """AWS takes these; here they would be ignored, and that is worse than being refused."""
    for feature in _beyond_this_machine(request):
        raise unsupported_here(feature)


def _beyond_this_machine(request: dict[str, Any]) -> Iterator[str]:
    algorithm = request["AlgorithmSpecification"]
    modes = [algorithm["TrainingInputMode"]]
    for channel in request.get("InputDataConfig", []):
        modes.append(channel.get("InputMode", "File"))
        yield from _beyond_in_channel(request, channel)
    if "Pipe" in modes:
        yield "the input mode Pipe"
    local_path = request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints")
    if not f"{local_path}/".startswith("/opt/ml/") or ".." in local_path.split("/"):
        yield f"a CheckpointConfig.LocalPath outside /opt/ml: {local_path}"


def _beyond_in_channel(request: dict[str, Any], channel: dict[str, Any]) -> Iterator[str]:
    match channel["DataSource"]:
        case {"FileSystemDataSource": source}:
            beyond = file_systems.beyond_this_machine(request, source)
            if beyond:
                yield beyond
        case {"S3DataSource": {"S3DataType": "S3Prefix"}}:
            return
        case {"S3DataSource": {"S3DataType": kind}}:
            yield f"the S3DataType {kind}"
        case other:
            yield f"a {next(iter(other))}"
