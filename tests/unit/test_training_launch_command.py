"""Any command, on any number of hosts: what the container runs, and what a launch refuses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.validate import validate_parameters

from launch import main, notes_of, trainer_of
from launching.account import LaunchError
from launching.command import start_command
from launching.hosts import Group, groups_from
from launching.options import parser_for, spec_for
from launching.spec import TrainingSpec, check
from local.stack import STORE
from tests.unit.small_launch import ACCOUNT, SPEC, TRAINING, account, request_of

WRAPPED = "resilient-run -- torchrun --nnodes=$SM_HOST_COUNT train.py --output_dir /opt/ml/out"
BROUGHT = (
    "env PYTHONPATH=/opt/ml/input/data/resilience${PYTHONPATH:+:$PYTHONPATH}"
    " python -m resilient_training.run"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("import transformers\n")
    return tmp_path


def asked(source: Path, *options: str) -> TrainingSpec:
    given = ["--name", "x", "--entity", "team", "--source", str(source), "--no-install"]
    return spec_for(parser_for({}).parse_args([*given, *options]), ACCOUNT)


def refused(spec: TrainingSpec) -> str:
    with pytest.raises(LaunchError) as refusal:
        check(spec)
    return str(refusal.value)


def test_resilient_run_is_brought_to_a_source_that_does_not_have_it(source: Path) -> None:
    assert start_command(WRAPPED, source) == WRAPPED.replace("resilient-run", f"exec {BROUGHT}")


def test_a_source_that_has_the_package_runs_its_own_copy() -> None:
    assert start_command(WRAPPED, TRAINING).startswith("exec python -m resilient_training.run -- ")


@pytest.mark.parametrize(
    ("command", "started"),
    [
        (None, "exec python train.py"),
        ("python train.py", "exec python train.py"),
        ("exec python train.py", "exec python train.py"),
        ("A=1 python train.py", "exec env A=1 python train.py"),
        ("cd sub && exec python train.py", "cd sub && exec python train.py"),
        ("A=1 resilient-run -- x", f"exec env A=1 {BROUGHT} -- x"),
        ("cd sub && exec resilient-run -- x", f"cd sub && exec {BROUGHT} -- x"),
        ("/opt/bin/resilient-run -- x", "exec /opt/bin/resilient-run -- x"),
    ],
)
def test_the_training_becomes_process_1(command: str | None, started: str, source: Path) -> None:
    assert start_command(command, source) == started


def test_the_sdks_script_has_the_command_and_its_quotes(
    aws: boto3.Session, source: Path, tmp_path: Path
) -> None:
    command = "resilient-run --resume-args '--resume {folder}' -- python train.py"
    spec = asked(source, "--command", command)
    check(spec)
    trainer = trainer_of(spec, aws, sends=False)
    trainer._prepare_train_script(SimpleNamespace(name=tmp_path), trainer.source_code)  # noqa: SLF001 - what the SDK writes is what is looked at
    script = (tmp_path / "sm_train.sh").read_text()
    assert start_command(command, source) in script


def test_the_package_is_a_channel_in_which_python_finds_it(
    aws: boto3.Session, source: Path
) -> None:
    s3 = aws.client("s3")
    spec = replace(asked(source, "--command", WRAPPED), home="home/p")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="home", CreateBucketConfiguration=place)
    channels = trainer_of(spec, aws).request()["InputDataConfig"]
    uris = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in channels}
    assert sorted(uris) == ["code", "resilience", "sm_drivers"]
    prefix = uris["resilience"].removeprefix("s3://home/")
    listed = s3.list_objects_v2(Bucket="home", Prefix=prefix)["Contents"]
    names = {one["Key"].removeprefix(prefix) for one in listed}
    assert {"resilient_training/__init__.py", "resilient_training/run/__main__.py"} <= names


def test_several_hosts_share_a_store_and_have_no_mirror(aws: boto3.Session, source: Path) -> None:
    spec = asked(source, "--command", WRAPPED, "--instance-count", "2")
    check(spec)
    request = request_of(spec, aws)
    model = botocore.session.get_session().get_service_model("sagemaker")
    validate_parameters(request, model.operation_model("CreateTrainingJob").input_shape)
    assert request["ResourceConfig"]["InstanceCount"] == 2
    assert "CheckpointConfig" not in request
    assert f"{request['Environment']['RESILIENCE_STORE']}/" == STORE.format(
        account=ACCOUNT.number, region=ACCOUNT.region
    )


def test_one_host_uploads_to_wandb_unless_it_is_given_a_store(source: Path) -> None:
    assert asked(source, "--command", WRAPPED).store is None
    assert asked(source, "--command", WRAPPED, "--store", "s3://b/c/").store == "s3://b/c"


def test_groups_of_instances_stand_in_the_request(aws: boto3.Session, source: Path) -> None:
    groups = ["--instance-group", "a=ml.g5.xlarge:2", "--instance-group", "b=ml.m5.large:1"]
    spec = asked(source, "--command", WRAPPED, *groups)
    assert spec.groups == (Group("a", "ml.g5.xlarge", 2), Group("b", "ml.m5.large", 1))
    assert spec.hosts == 3
    resources = request_of(spec, aws)["ResourceConfig"]
    assert [one["InstanceCount"] for one in resources["InstanceGroups"]] == [2, 1]
    assert "InstanceType" not in resources


@pytest.mark.parametrize("texts", [["a"], ["a=ml.g5.xlarge:0"], ["a=ml.x:1"] * 2, ["a=g5:1"]])
def test_a_group_that_sagemaker_would_refuse_is_refused_here(texts: list[str]) -> None:
    with pytest.raises(LaunchError, match="--instance-group"):
        groups_from(texts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"command": None, "instance_count": 2}, "2 hosts need resilient-run"),
        ({"command": "torchrun train.py", "instance_count": 2}, "2 hosts need resilient-run"),
        ({"command": "torchrun train.py", "store": "s3://b/c"}, "--store is resilient-run's"),
        ({"command": None, "store": "s3://b/c"}, "--store is resilient-run's"),
        ({"command": " "}, "--command is empty"),
        ({"command": "python 'train.py"}, "No closing quotation"),
        ({"command": "python train.py 'two  spaces'"}, "one space of several"),
        ({"command": "cd x; python train.py"}, "no exec"),
        ({"command": "python train.py | tee log"}, "no exec"),
        ({"command": "python missing.py"}, "has no missing.py, which --command names"),
        ({"command": WRAPPED, "store": "s3://b"}, "--store: not s3://bucket/prefix"),
        ({"command": WRAPPED, "store": "s3://b/../c"}, "begin with no dot"),
        ({"command": WRAPPED, "store": "s3://home/p/code"}, "no training may write to"),
        ({"command": WRAPPED, "store": "s3://home/p"}, "no training may write to"),
    ],
)
def test_what_could_not_run_or_not_come_back_is_refused(
    change: dict[str, Any], message: str, source: Path
) -> None:
    assert message in refused(replace(SPEC, source=source, **change))


@pytest.mark.parametrize("store", ["s3://home/p/store", "s3://home/q", "s3://other/p/code"])
def test_a_store_beside_what_trainings_run_is_taken(store: str, source: Path) -> None:
    check(replace(SPEC, source=source, command=WRAPPED, store=store))


def test_a_command_that_nothing_saves_gets_a_note_and_one_with_our_callbacks_does_not(
    source: Path,
) -> None:
    spec = asked(source, "--command", "torchrun train.py")
    check(spec)
    (note,) = notes_of(spec)
    assert "begins at the beginning" in note
    (source / "train.py").write_text("from resilient_training import resilient\n")
    assert list(notes_of(spec)) == []


def test_a_launch_with_a_store_names_what_the_stack_has_to_allow(source: Path) -> None:
    (note,) = notes_of(asked(source, "--command", WRAPPED, "--store", "s3://b/c"))
    assert "CheckpointStores=s3://b/c/" in note


@pytest.mark.usefixtures("aws")
def test_a_dry_run_shows_the_command_the_store_and_the_rights(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dry-run", "--region", "eu-west-1", "--entity", "team", "--source", str(source)]
    words += ["--command", WRAPPED, "--instance-count", "2", "--no-install"]
    assert main(words) == 0
    shown = capsys.readouterr().err
    assert f"the container runs: exec {BROUGHT} -- torchrun" in shown
    assert "checkpoints lie in: s3://resilient-training-123456789012-eu-west-1/" in shown
    assert "s3:GetObjectVersion" in shown
