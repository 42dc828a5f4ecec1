import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber
from botocore.validate import validate_parameters
from moto import mock_aws

from launch import main, parser_for, spec_for, trainer_of
from launching.account import Account, LaunchError
from launching.follow import follow
from launching.role import ensure_role, execution_policy
from launching.secret import ensure_secret, find_key
from launching.spec import METRICS, TrainingSpec, check, job_tags
from launching.storage import ensure_bucket

ACCOUNT = Account("aws", "123456789012", "eu-west-1")
TRAINING = Path(__file__).parents[2] / "training"
SPEC = TrainingSpec(
    name="digits-1",
    role_arn="arn:aws:iam::123456789012:role/resilient-training",
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/train:1",
    source=TRAINING,
    home="home/p",
    project="digits",
    secret_name="resilience/wandb-api-key",
    base_url="https://api.wandb.ai",
    entity="team",
)


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request["Tags"]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


def request_of(spec: TrainingSpec, aws: boto3.Session) -> dict[str, Any]:
    return trainer_of(spec, aws, sends=False).request()


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


def test_a_job_is_opted_in_from_the_start_where_the_entity_is_known(aws: boto3.Session) -> None:
    assert tags_of(request_of(SPEC, aws)) == {
        "WANDB_ENTITY": "team",
        "WANDB_PROJECT": "digits",
        "WANDB_CHECKPOINT_NAME": "model-digits-1",
        "WANDB_RUN_ID": "digits-1",
    }
    assert job_tags(replace(SPEC, entity=None)) == {}


def test_the_run_of_the_environment_is_the_one_of_the_tags(aws: boto3.Session) -> None:
    request = request_of(SPEC, aws)
    assert request["Environment"]["WANDB_RUN_ID"] == tags_of(request)["WANDB_RUN_ID"]
    assert request["Environment"]["WANDB_RESUME"] == "allow"


def test_the_key_never_gets_into_the_environment(aws: boto3.Session) -> None:
    assert "WANDB_API_KEY" not in request_of(SPEC, aws)["Environment"]
    with pytest.raises(LaunchError, match="use the secret"):
        check(replace(SPEC, environment={"WANDB_API_KEY": "x"}))


def test_the_job_has_the_name_that_was_asked_for_and_its_script_becomes_pid_1(
    aws: boto3.Session, tmp_path: Path
) -> None:
    trainer = trainer_of(SPEC, aws, sends=False)
    algorithm = trainer.request()["AlgorithmSpecification"]
    assert trainer.request()["TrainingJobName"] == "digits-1"
    assert algorithm["ContainerArguments"][1].startswith("exec ")
    trainer._prepare_train_script(SimpleNamespace(name=tmp_path), trainer.source_code)  # noqa: SLF001 - what the SDK writes is what is looked at
    assert "exec python train.py" in (tmp_path / "sm_train.sh").read_text()


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


def test_the_metrics_are_those_that_train_py_prints() -> None:
    line = "at step 40: train_loss=1.5e-05", "val_accuracy=0.97 val_loss=0.1"
    read = {
        name: float(found[1])
        for name, pattern in METRICS.items()
        for part in line
        if (found := re.search(pattern, part))
    }
    assert read == {"step": 40, "train_loss": 1.5e-05, "val_accuracy": 0.97, "val_loss": 0.1}


def test_the_role_may_write_its_own_tags_and_not_the_controllers() -> None:
    policy = execution_policy(ACCOUNT, home="bucket/prefix", secret="s")
    (tagging,) = [s for s in policy["Statement"] if "sagemaker:AddTags" in s["Action"]]
    keys = tagging["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"]
    assert "resilience:completed" in keys
    assert not {"resilience:verdict", "resilience:attempt", "resilience:ledger"} & set(keys)


def test_the_role_reaches_nothing_outside_its_own_place() -> None:
    policy = execution_policy(ACCOUNT, home="bucket/prefix", secret="s")
    everywhere = [s["Action"] for s in policy["Statement"] if s["Resource"] == "*"]
    assert everywhere == [["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"]]
    objects = [s for s in policy["Statement"] if "s3:GetObject" in s["Action"]]
    assert [s["Resource"] for s in objects] == ["arn:aws:s3:::bucket/prefix/*"]
    assert not any("*" in action for s in policy["Statement"] for action in s["Action"])


def test_a_role_is_made_once_and_brought_up_to_date_after(aws: boto3.Session) -> None:
    iam = aws.client("iam")
    first = ensure_role(iam, ACCOUNT, name="training", home="b/old", secret="s")
    second = ensure_role(iam, ACCOUNT, name="training", home="b/new", secret="s")
    assert first == second
    policy = iam.get_role_policy(RoleName="training", PolicyName="training")["PolicyDocument"]
    assert "b/new/*" in json.dumps(policy)
    assert "b/old/*" not in json.dumps(policy)


def test_a_secret_is_made_then_changed_then_left_as_it_is(aws: boto3.Session) -> None:
    secrets = aws.client("secretsmanager")
    with pytest.raises(LaunchError, match="no W&B key"):
        ensure_secret(secrets, name="key", value=None)
    arn = ensure_secret(secrets, name="key", value="one")
    assert ensure_secret(secrets, name="key", value="two") == arn
    assert ensure_secret(secrets, name="key", value=None) == arn
    ensure_secret(secrets, name="key", value="two")
    assert secrets.get_secret_value(SecretId="key")["SecretString"] == "two"
    versions = secrets.list_secret_version_ids(SecretId="key", IncludeDeprecated=True)
    assert len(versions["Versions"]) == 2


def write_source(folder: Path) -> None:
    (folder / "package").mkdir(parents=True)
    (folder / "launching").mkdir()
    for name in ("train.py", "package/a.py", "launch.py", "launching/b.py", ".env", "x.pyc"):
        (folder / name).write_text(name)


def keys_of(s3: BaseClient, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def places_of(request: Mapping[str, Any]) -> dict[str, str]:
    channels = request["InputDataConfig"]
    return {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in channels}


def test_source_is_uploaded_without_what_belongs_to_the_launching_machine(
    aws: boto3.Session, tmp_path: Path
) -> None:
    write_source(tmp_path)
    s3 = aws.client("s3")
    ensure_bucket(s3, ACCOUNT, name="home")
    spec = replace(SPEC, source=tmp_path)
    places = places_of(trainer_of(spec, aws).request())
    code = places["code"].removeprefix("s3://home/")
    mine = [key for key in keys_of(s3, "home") if key.startswith(code)]
    assert mine == [f"{code}package/a.py", f"{code}train.py"]
    drivers = places["sm_drivers"].removeprefix("s3://home/")
    assert f"{drivers}sm_train.sh" in keys_of(s3, "home")
    before = keys_of(s3, "home")
    assert places_of(trainer_of(spec, aws).request()) == places
    assert keys_of(s3, "home") == before


def test_edited_source_leaves_the_place_of_an_earlier_job_alone(
    aws: boto3.Session, tmp_path: Path
) -> None:
    write_source(tmp_path)
    s3 = aws.client("s3")
    ensure_bucket(s3, ACCOUNT, name="home")
    ensure_bucket(s3, ACCOUNT, name="home")
    spec = replace(SPEC, source=tmp_path)
    before = places_of(trainer_of(spec, aws).request())["code"]
    (tmp_path / "train.py").write_text("edited")
    after = places_of(trainer_of(spec, aws).request())["code"]
    assert before != after
    old = s3.get_object(Bucket="home", Key=f"{before.removeprefix('s3://home/')}train.py")
    assert old["Body"].read() == b"train.py"


def test_the_projects_own_source_is_whole(aws: boto3.Session) -> None:
    s3 = aws.client("s3")
    ensure_bucket(s3, ACCOUNT, name="home")
    place = places_of(trainer_of(SPEC, aws).request())["code"].removeprefix("s3://home/")
    files = {key.removeprefix(place) for key in keys_of(s3, "home") if key.startswith(place)}
    assert {"train.py", "digits.py", "options.py", "requirements.txt"} <= files
    assert {"resilient_training/__init__.py", "resilient_training/resume.py"} <= files
    assert not {file for file in files if file.startswith("launch")}


def test_the_key_comes_from_its_file_else_the_environment_else_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nOTHER=1\nexport WANDB_API_KEY='from dotenv'\n")
    (tmp_path / "key").write_text("from file\n")
    environment = {"WANDB_API_KEY": "from environment"}
    assert find_key(environment, tmp_path / "key", tmp_path / ".env") == "from file"
    assert find_key(environment, None, tmp_path / ".env") == "from environment"
    assert find_key({}, None, tmp_path / ".env") == "from dotenv"
    assert find_key({}, None, tmp_path / "none") is None


def test_a_key_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="is no file"):
        find_key({}, tmp_path / "missing", tmp_path / ".env")


def test_the_command_line_becomes_the_spec() -> None:
    options = parser_for({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).parse_args(
        [
            *("--name", "x", "--hyperparameter", "epochs=3", "--keep-alive", "60"),
            *("--tag", "resilience:mode=observe", "--metric", "bleu=BLEU ([0-9.]+)"),
        ]
    )
    spec = spec_for(options, ACCOUNT)
    assert spec.hyperparameters == {"epochs": "3"}
    assert spec.tags == {"resilience:mode": "observe"}
    assert spec.checkpoint_uri.endswith("/checkpoints/x/")
    assert spec.keep_alive == 60
    assert spec.metrics == {"bleu": "BLEU ([0-9.]+)"}
    assert not spec.install


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
