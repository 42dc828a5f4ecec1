"""How jobs look from outside: the launcher's request, and what Describe shows of an end."""

import hashlib
from datetime import UTC, datetime

from local.in_memory import ACCOUNT, REGION
from proofs.judge.attempt import Life
from proofs.judge.truth import Training
from resilience.decide.decisions import CheckpointRequest
from resilience.relaunch import Request
from resilience.wire import environment, tags

ENTITY, PROJECT = "example-team", "recorded"
_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/training:1"
_BUCKET = f"s3://sagemaker-{REGION}-{ACCOUNT}"


def where(training: Training) -> CheckpointRequest:
    return CheckpointRequest(
        entity=ENTITY, project=PROJECT, collection=f"model-{training.root}", runs=(training.root,)
    )


def launch(training: Training) -> Request:
    """What this project's launcher sends."""
    limit: dict[str, object] = {"MaxRuntimeInSeconds": training.max_runtime}
    if training.max_wait is not None:
        limit["MaxWaitTimeInSeconds"] = training.max_wait
    own_tags = {
        tags.ENTITY: ENTITY,
        tags.PROJECT: PROJECT,
        tags.CHECKPOINT_NAME: f"model-{training.root}",
        tags.RUN_ID: training.root,
        tags.COMPLETED: tags.UNFINISHED,
    }
    return {
        "TrainingJobName": training.root,
        "AlgorithmSpecification": {"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/TrainingRole",
        "OutputDataConfig": {"S3OutputPath": f"{_BUCKET}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.p4d.24xlarge",
            "InstanceCount": max(1, training.gpus // 8),
            "VolumeSizeInGB": 500,
        },
        "StoppingCondition": limit,
        "EnableManagedSpotTraining": training.max_wait is not None,
        "Environment": {
            tags.ENTITY: ENTITY,
            tags.PROJECT: PROJECT,
            tags.RUN_ID: training.root,
            environment.COLLECTION: where(training).path,
            environment.COMPLETION_TOKEN: hashlib.sha256(training.root.encode()).hexdigest()[:32],
        },
        "Tags": [{"Key": key, "Value": value} for key, value in own_tags.items()],
    }


def times(life: Life, *, stopping: bool) -> dict[str, object]:
    """What Describe shows of an attempt's course; `stopping`: somebody asked SageMaker to stop."""
    shown: dict[str, object] = {"SecondaryStatusTransitions": _transitions(life, stopping=stopping)}
    if life.started is not None:
        shown["TrainingStartTime"] = _instant(life.started)
        shown["TrainingTimeInSeconds"] = life.trained
        shown["BillableTimeInSeconds"] = life.trained
    return shown


def _transitions(life: Life, *, stopping: bool) -> list[dict[str, object]]:
    steps = [("Starting", life.created, "Preparing the instances for training")]
    if life.cause == "pending":
        steps.append(("Pending", life.created + 30, "Training job waiting for capacity"))
    if life.started is not None:
        steps.append(("Downloading", life.started - 30, "Downloading input data"))
        steps.append(("Training", life.started, "Training image download completed."))
    if stopping:
        steps.append(("Stopping", life.ended, "Stopping the training job"))
    return [
        {"Status": status, "StartTime": _instant(begin), "StatusMessage": message}
        for status, begin, message in steps
    ]


def _instant(when: int) -> datetime:
    return datetime.fromtimestamp(when, UTC)
