import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber
from botocore.validate import validate_parameters

from launch import main, trainer_of
from launching.account import LaunchError
from launching.follow import follow
from launching.options import parser_for, spec_for
from launching.spec import METRICS, check
from tests.unit.small_launch import ACCOUNT, SPEC, account, request_of


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session


def test_the_request_is_one_that_botocores_model_accepts(
    aws: boto3.Session, tmp_path: Path
) -> None:
    (tmp_path / "images").write_text("1")
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    for spec in (
        SPEC,
        replace(SPEC, spot=True, data=tmp_path, install=True),
        replace(SPEC, keep_alive=600),
    ):
        validate_parameters(request_of(spec, aws), shape)


def test_spot_data_and_a_warm_pool_are_in_the_request(aws: boto3.Session, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("1")
    spot = request_of(replace(SPEC, spot=True, data=tmp_path, max_wait=90_000), aws)
    assert spot["EnableManagedSpotTraining"]
    assert spot["StoppingCondition"]["MaxWaitTimeInSeconds"] == 90_000
    channels = [channel["ChannelName"] for channel in spot["InputDataConfig"]]
    assert channels == ["data", "code", "sm_drivers"]
    warm = request_of(replace(SPEC, keep_alive=600), aws)
    assert warm["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert "MaxWaitTimeInSeconds" not in warm["StoppingCondition"]


def test_the_job_has_the_name_that_was_asked_for_and_its_script_becomes_pid_1(
    aws: boto3.Session, tmp_path: Path
) -> None:
    trainer = trainer_of(SPEC, aws, sends=False)
    algorithm = trainer.request()["AlgorithmSpecification"]
    assert trainer.request()["TrainingJobName"] == "digits-1"
    assert algorithm["ContainerArguments"][1].startswith("exec ")
    trainer._prepare_train_script(SimpleNamespace(name=tmp_path), trainer.source_code)  # noqa: SLF001 - what the SDK writes is what is looked at
    assert "exec python train.py" in (tmp_path / "sm_train.sh").read_text()


def test_the_container_installs_the_locked_requirements_and_no_others(
    aws: boto3.Session, tmp_path: Path
) -> None:
    trainer = trainer_of(replace(SPEC, install=True), aws, sends=False)
    trainer._prepare_train_script(SimpleNamespace(name=tmp_path), trainer.source_code)  # noqa: SLF001 - what the SDK writes is what is looked at
    script = (tmp_path / "sm_train.sh").read_text()
    assert re.findall(r"\S+\.(?:txt|lock)", script) == ["requirements.lock"]


def test_the_sdk_reports_nothing_to_aws(aws: boto3.Session) -> None:
    config = trainer_of(SPEC, aws, sends=False).sagemaker_session.sagemaker_config
    assert config["SageMaker"]["PythonSDK"]["Modules"]["TelemetryOptOut"] is True


def test_a_users_own_defaults_of_the_sdk_still_hold(
    aws: boto3.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    network = {"EnableNetworkIsolation": True, "VpcConfig": vpc}
    config = {"SchemaVersion": "1.0", "SageMaker": {"TrainingJob": network}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(tmp_path / "config.yaml"))
    assert request_of(SPEC, aws)["EnableNetworkIsolation"] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spot": True, "max_runtime": 100, "max_wait": 99}, "--max-wait"),
        ({"spot": True, "keep_alive": 60}, "no spot instances warm"),
        ({"keep_alive": 3601}, "--keep-alive is 0 to 3600"),
        ({"source": Path("/nowhere")}, "has no train.py"),
        ({"data": Path("/nowhere")}, "holds no data"),
        ({"hyperparameters": {"name": "it's"}}, "apostrophe"),
        ({"metrics": {"loss": "loss=("}}, "--metric loss"),
        ({"metrics": {"loss": "loss=.*"}}, "one group is the value"),
        ({"job_prefix": "vision-"}, "does not begin with --job-prefix"),
        ({"job_prefix": "*"}, "--job-prefix"),
        ({"name": "Vision-1", "job_prefix": "Vision-"}, "--job-prefix"),
        ({"secret_name": "key-*"}, "--secret-name"),
        ({"home": "bucket/*"}, "without wildcards"),
        ({"home": "bucket/../other"}, "without wildcards"),
        ({"home": "bucket/"}, "without wildcards"),
    ],
)
def test_what_would_fail_later_is_refused_before_anything_is_made(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LaunchError, match=message):
        check(replace(SPEC, **change))


@pytest.mark.parametrize("name", ["", "-a", "a-", "a" * 64, "under_score"])
def test_a_name_that_sagemaker_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(LaunchError, match="a job name is"):
        check(replace(SPEC, name=name))


def test_a_source_whose_requirements_are_not_pinned_by_hash_is_not_installed_from(
    tmp_path: Path,
) -> None:
    (tmp_path / "train.py").write_text("")
    spec = replace(SPEC, source=tmp_path, install=True)
    with pytest.raises(LaunchError, match=r"has no requirements\.lock.*--no-install"):
        check(spec)
    (tmp_path / "requirements.lock").write_text("wandb==0.31.0\n# --require-hashes\n")
    with pytest.raises(LaunchError, match="has no line --require-hashes"):
        check(spec)
    (tmp_path / "requirements.lock").write_text("--require-hashes\n")
    check(spec)
    check(replace(SPEC, install=True))


def test_the_metrics_are_those_that_train_py_prints() -> None:
    line = "at step 40: train_loss=1.5e-05", "val_accuracy=0.97 val_loss=0.1"
    read = {
        name: float(found[1])
        for name, pattern in METRICS.items()
        for part in line
        if (found := re.search(pattern, part))
    }
    assert read == {"step": 40, "train_loss": 1.5e-05, "val_accuracy": 0.97, "val_loss": 0.1}


def test_the_command_line_becomes_the_spec() -> None:
    options = parser_for({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).parse_args(
        [
            *("--name", "x", "--hyperparameter", "epochs=3", "--keep-alive", "60"),
            *("--tag", "resilience:mode=observe", "--metric", "bleu=BLEU ([0-9.]+)"),
            *("--job-prefix", "x"),
        ]
    )
    spec = spec_for(options, ACCOUNT)
    assert spec.hyperparameters == {"epochs": "3"}
    assert spec.tags == {"resilience:mode": "observe"}
    assert spec.checkpoint_uri is not None
    assert spec.checkpoint_uri.endswith("/checkpoints/x/")
    assert spec.keep_alive == 60
    assert spec.metrics == {"bleu": "BLEU ([0-9.]+)"}
    assert spec.job_prefix == "x"
    assert not spec.install


def test_an_entity_that_the_environment_leaves_empty_is_none() -> None:
    assert parser_for({"WANDB_ENTITY": ""}).parse_args([]).entity is None


def test_a_job_is_followed_through_each_new_status_to_its_end() -> None:
    client = boto3.client("sagemaker", region_name="eu-west-1")
    stages = [("InProgress", "Starting"), ("InProgress", "Training")]
    stages += [("InProgress", "Training"), ("Failed", "Failed")]
    slept: list[float] = []
    with Stubber(client) as stub:
        for status, secondary in stages:
            described = {
                "TrainingJobName": "x",
                "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x",
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
                "TrainingJobStatus": status,
                "SecondaryStatus": secondary,
                "AlgorithmSpecification": {"TrainingInputMode": "File"},
                "ResourceConfig": {"VolumeSizeInGB": 1},
                "StoppingCondition": {},
                "CreationTime": 0,
                "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.5, "Timestamp": 0}],
                **({"FailureReason": "AlgorithmError: x"} if status == "Failed" else {}),
            }
            stub.add_response("describe_training_job", described, {"TrainingJobName": "x"})
        seen = list(follow(client, "x", sleep=slept.append))
    assert [(item.status, item.secondary) for item in seen] == [stages[0], stages[1], stages[3]]
    assert seen[-1].message == "AlgorithmError: x"
    assert seen[-1].metrics == {"loss": 0.5}
    assert len(slept) == 1


def test_a_dry_run_prints_the_request_and_makes_nothing(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "not to be printed")
    assert main(["--dry-run", "--region", "eu-west-1", "--name", "x", "--entity", "team"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["TrainingJobName"] == "x"
    assert "not to be printed" not in printed
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_a_mistake_on_the_command_line_is_one_clear_line(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert aws.region_name
    assert main(["--region", "eu-west-1", "--hyperparameter", "epochs"]) == 2
    assert capsys.readouterr().err == "launch: --hyperparameter 'epochs': write NAME=VALUE\n"
