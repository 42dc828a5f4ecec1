"""The training job of the matrix, so that the open beliefs about AWS show in it."""

from collections.abc import Mapping
from typing import Any

from local.doubts import ALGORITHM_REGISTRY, Doubts
from local.in_memory import REGION

ALGORITHM = f"{ALGORITHM_REGISTRY}{REGION}.amazonaws.com/sagemaker-xgboost:1.7-1"


def creates_refused_first(doubts: Doubts) -> int:
    """How many creates of a launch SageMaker refuses before the one that counts."""
    return int(doubts.metrics_injected)


def subject(doubts: Doubts) -> Mapping[str, Any]:
    """Members of the training job in which the doubts show."""
    members: dict[str, Any] = {}
    if doubts.zero_counts_echoed:
        group = {"InstanceGroupName": "gpus", "InstanceType": "ml.g5.2xlarge", "InstanceCount": 2}
        members["ResourceConfig"] = {"InstanceGroups": [group], "VolumeSizeInGB": 100}
    if doubts.metrics_injected:
        members["AlgorithmSpecification"] = {
            "TrainingImage": ALGORITHM,
            "TrainingInputMode": "File",
        }
    return members


def tags_of_aws(doubts: Doubts) -> Mapping[str, str]:
    """Tags that AWS itself has put on the training job."""
    if not doubts.sagemaker_tags_refused:
        return {}
    return {"sagemaker:domain-arn": f"arn:aws:sagemaker:{REGION}:1:domain/d-1"}
