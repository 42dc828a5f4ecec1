"""The launch by SageMaker's own SDK: a ModelTrainer whose job has a name of our choosing.

Importing this imports the SDK: some two seconds and 170 MB, so `--help` does without it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagemaker.core.config.config import load_sagemaker_config
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import (
    CheckpointConfig,
    InstanceGroup,
    MetricDefinition,
    OutputDataConfig,
    StoppingCondition,
    Tag,
)
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import ModelTrainer
from typing_extensions import override

from launching.command import CHANNEL, PACKAGE, brings_package, start_command
from launching.opt_in import job_environment, job_tags
from launching.spec import REQUIREMENTS, TrainingSpec
from launching.storage import STAYS, Store, upload

if TYPE_CHECKING:
    import boto3

_START = "/opt/ml/input/data/sm_drivers/sm_train.sh"
# The SDK reports every call of its own to AWS unless a setting says otherwise.
_NO_TELEMETRY = {"TelemetryOptOut": True}
_PACKAGE = Path(__file__).parents[1] / PACKAGE


class Staging(Session):  # type: ignore[misc]  # the SDK publishes no types
    """An SDK session that puts each folder at the hash of its content, below one place in S3.

    A successor reads the URI of its root, perhaps days later, so code that has been edited since
    may not lie at the same place; and what is there already is not sent again. With `sends` off it
    only says where a folder would go. The bucket must be `owner`'s: an account number.
    """

    def __init__(self, boto_session: boto3.Session, home: str, owner: str, *, sends: bool) -> None:
        self.home = home
        self.owner = owner
        self.sends = sends
        # Given, so that the SDK does not make one of its own for each service that it knows.
        unused = boto_session.client("sagemaker")
        super().__init__(
            boto_session=boto_session,
            sagemaker_client=unused,
            sagemaker_runtime_client=unused,
            sagemaker_featurestore_runtime_client=unused,
            sagemaker_metrics_client=unused,
            sagemaker_config=_with_module_settings(load_sagemaker_config(), _NO_TELEMETRY),
        )
        self.default_bucket_prefix = None

    @override
    def default_bucket(self) -> str:
        return self.home.partition("/")[0]

    @override
    def upload_data(
        self,
        path: str,
        bucket: str | None = None,
        key_prefix: str = "data",
        callback: object = None,
        extra_args: dict[str, str] | None = None,
    ) -> str:
        """Upload the folder `path` for the channel that `key_prefix` ends with; gives the URI."""
        channel = key_prefix.rpartition("/")[2]
        place = f"{self.home}/{channel}"
        store = Store(self.s3_client if self.sends else None, self.owner)
        # A channel is a folder; Python looks for the package's own one in it.
        below = f"{PACKAGE}/" if channel == CHANNEL else ""
        return upload(store, place, path, extra_args, below=below)


def _with_module_settings(config: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The user's own SDK defaults, and these over them."""
    of_sagemaker = config.get("SageMaker", {})
    of_sdk = of_sagemaker.get("PythonSDK", {})
    modules = {**of_sdk.get("Modules", {}), **settings}
    sdk = {**of_sdk, "Modules": modules}
    return {**config, "SchemaVersion": "1.0", "SageMaker": {**of_sagemaker, "PythonSDK": sdk}}


class NamedTrainer(ModelTrainer):  # type: ignore[misc]  # the SDK publishes no types
    """A ModelTrainer that calls its job `job_name`, where the SDK appends the time of the call.

    With a name of its own a launch that is repeated makes no second job. The start script replaces
    its shell: only the container's first process hears SIGTERM.
    """

    job_name: str

    def request(self) -> dict[str, Any]:
        """The CreateTrainingJob request that `train` sends."""
        made: dict[str, Any] = self._create_training_job_args(boto3=True)
        return {name: value for name, value in made.items() if value is not None}

    @override
    def _create_training_job_args(
        self, input_data_config: list[InputData] | None = None, boto3: bool = False
    ) -> dict[str, Any]:
        made: dict[str, Any] = super()._create_training_job_args(input_data_config, boto3)
        arguments = ["-c", f"exec /bin/bash {_START}"]
        if boto3:
            made["TrainingJobName"] = self.job_name
            made["AlgorithmSpecification"]["ContainerArguments"] = arguments
        else:
            made["training_job_name"] = self.job_name
            made["algorithm_specification"].container_arguments = arguments
        return made


def trainer_for(spec: TrainingSpec, session: boto3.Session, *, sends: bool = True) -> NamedTrainer:
    """Describe the job to the SDK; with `sends` off nothing is uploaded."""
    # Else the SDK refuses a role that may not manage network interfaces, which no job outside of a
    # VPC needs; launching/role.py has just written what this one needs.
    os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"
    trainer = NamedTrainer(
        job_name=spec.name,
        base_job_name=spec.name,
        sagemaker_session=Staging(session, spec.home, spec.account, sends=sends),
        role=spec.role_arn,
        training_image=spec.image,
        source_code=_source_code(spec),
        input_data_config=[*_data(spec.data), *_package(spec)],
        compute=_compute(spec),
        stopping_condition=_stopping(spec),
        output_data_config=OutputDataConfig(s3_output_path=spec.output_uri),
        checkpoint_config=_mirror(spec.checkpoint_uri),
        environment=job_environment(spec),
        hyperparameters=dict(spec.hyperparameters),
        tags=[Tag(key=key, value=value) for key, value in job_tags(spec).items()],
    )
    definitions = [MetricDefinition(name=name, regex=one) for name, one in spec.metrics.items()]
    trainer.with_metric_definitions(definitions)
    return trainer


def _source_code(spec: TrainingSpec) -> SourceCode:
    return SourceCode(
        source_dir=str(spec.source),
        command=start_command(spec.command, spec.source),
        requirements=REQUIREMENTS if spec.install else None,
        ignore_patterns=list(STAYS),
    )


def _data(folder: Path | None) -> list[InputData]:
    return [InputData(channel_name="data", data_source=str(folder))] if folder else []


def _package(spec: TrainingSpec) -> list[InputData]:
    if not brings_package(spec.command, spec.source):
        return []
    return [InputData(channel_name=CHANNEL, data_source=str(_PACKAGE))]


def _mirror(uri: str | None) -> CheckpointConfig | None:
    return CheckpointConfig(s3_uri=uri, local_path="/opt/ml/checkpoints") if uri else None


def _compute(spec: TrainingSpec) -> Compute:
    return Compute(
        **_instances(spec),
        volume_size_in_gb=spec.volume_gb,
        enable_managed_spot_training=spec.spot,
        **({"keep_alive_period_in_seconds": spec.keep_alive} if spec.keep_alive else {}),
    )


def _instances(spec: TrainingSpec) -> dict[str, Any]:
    if not spec.groups:
        return {"instance_type": spec.instance_type, "instance_count": spec.instance_count}
    groups = [
        InstanceGroup(
            instance_group_name=one.name,
            instance_type=one.instance_type,
            instance_count=one.count,
        )
        for one in spec.groups
    ]
    return {"instance_groups": groups}


def _stopping(spec: TrainingSpec) -> StoppingCondition:
    if not spec.spot:
        return StoppingCondition(max_runtime_in_seconds=spec.max_runtime)
    return StoppingCondition(
        max_runtime_in_seconds=spec.max_runtime, max_wait_time_in_seconds=spec.max_wait
    )
