"""The CreateTrainingJob request, as a pure function of what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ENTER = "cd ${SAGEMAKER_BASE_DIR:-/opt/ml}/input/data/code"
_INSTALL = "python -m pip install --quiet --no-input -r requirements.txt"


@dataclass(frozen=True)
class TrainingSpec:
    """One training to launch. Durations are in seconds; `max_wait` counts for spot only."""

    name: str
    role_arn: str
    image: str
    code_uri: str
    output_uri: str
    checkpoint_uri: str
    project: str
    secret_name: str
    base_url: str
    entity: str | None = None
    data_uri: str | None = None
    instance_type: str = "ml.m5.large"
    volume_gb: int = 30
    max_runtime: int = 24 * 3600
    spot: bool = False
    max_wait: int = 48 * 3600
    install: bool = False
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def training_job_request(spec: TrainingSpec) -> dict[str, Any]:
    """Compose the request.

    Raises:
        LaunchError: the name is none that SageMaker takes.
    """
    if not _NAME.fullmatch(spec.name):
        raise LaunchError(f"{spec.name!r}: a job name is 1 to 63 letters, digits and inner hyphens")
    tags = {**_tags(spec), **spec.tags}
    return {
        "TrainingJobName": spec.name,
        "RoleArn": spec.role_arn,
        "AlgorithmSpecification": _algorithm(spec),
        "HyperParameters": dict(spec.hyperparameters),
        "InputDataConfig": _channels(spec),
        "OutputDataConfig": {"S3OutputPath": spec.output_uri},
        "CheckpointConfig": {"S3Uri": spec.checkpoint_uri, "LocalPath": "/opt/ml/checkpoints"},
        "ResourceConfig": {
            "InstanceType": spec.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": spec.volume_gb,
        },
        "StoppingCondition": _stopping(spec),
        "EnableManagedSpotTraining": spec.spot,
        "Environment": _environment(spec),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _algorithm(spec: TrainingSpec) -> dict[str, Any]:
    # With exec the script becomes PID 1, the only process that SageMaker's SIGTERM reaches.
    steps = [_ENTER, *([_INSTALL] if spec.install else []), "exec python train.py"]
    return {
        "TrainingImage": spec.image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": [" && ".join(steps)],
    }


def _channels(spec: TrainingSpec) -> list[dict[str, Any]]:
    uris = {"code": spec.code_uri, "data": spec.data_uri}
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": uri,
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
        for name, uri in uris.items()
        if uri is not None
    ]


def _stopping(spec: TrainingSpec) -> dict[str, int]:
    if not spec.spot:
        return {"MaxRuntimeInSeconds": spec.max_runtime}
    if spec.max_wait < spec.max_runtime:
        raise LaunchError("--max-wait may not be below --max-runtime")
    return {"MaxRuntimeInSeconds": spec.max_runtime, "MaxWaitTimeInSeconds": spec.max_wait}


def _environment(spec: TrainingSpec) -> dict[str, str]:
    """Names and places only: whoever may describe the job may read this, so no key is in it."""
    if "WANDB_API_KEY" in spec.environment:
        raise LaunchError("WANDB_API_KEY does not belong in a job's Environment: use the secret")
    return {
        "WANDB_BASE_URL": spec.base_url,
        "WANDB_PROJECT": spec.project,
        **({"WANDB_ENTITY": spec.entity} if spec.entity else {}),
        "WANDB_RUN_ID": spec.name,
        "WANDB_RESUME": "allow",
        "WANDB_SECRET_NAME": spec.secret_name,
        **spec.environment,
    }


def _tags(spec: TrainingSpec) -> dict[str, str]:
    """Opt the job in from the start, so that one which dies before it trains is recoverable too."""
    if spec.entity is None:
        return {}
    return {
        "WANDB_ENTITY": spec.entity,
        "WANDB_PROJECT": spec.project,
        "WANDB_CHECKPOINT_NAME": f"model-{spec.name}",
        "WANDB_RUN_ID": spec.name,
    }
