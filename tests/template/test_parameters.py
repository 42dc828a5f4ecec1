"""What whoever deploys may choose, and what the template refuses."""

import re
from typing import Any

import pytest
from ministack.services.eventbridge import _parse_rate_seconds

from tests.template.stack import source

PARAMETERS: dict[str, dict[str, Any]] = source()["Parameters"]
# For these there is no good guess: the deployer must say.
ASKED_FOR = {"AllowedEntityProjects", "TrainingRoleArns"}


def accepts(parameter: str, value: str) -> bool:
    declared = PARAMETERS[parameter]
    values = value.split(",") if declared["Type"] == "CommaDelimitedList" else [value]
    return all(re.fullmatch(declared["AllowedPattern"], item) for item in values)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_is_described_in_a_sentence(parameter: str) -> None:
    description = PARAMETERS[parameter]["Description"]
    assert description[0].isupper()
    assert description.endswith(".")


def test_every_parameter_stands_in_one_group() -> None:
    interface = source()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [p for group in interface["ParameterGroups"] for p in group["Parameters"]]
    assert sorted(grouped) == sorted(PARAMETERS)


def test_only_what_cannot_be_guessed_is_asked_for() -> None:
    assert {name for name, p in PARAMETERS.items() if "Default" not in p} == ASKED_FOR


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_is_bounded(parameter: str) -> None:
    declared = PARAMETERS[parameter]
    bounds = {"AllowedPattern"} if declared["Type"] != "Number" else {"MinValue", "MaxValue"}
    assert bounds <= declared.keys() or "AllowedValues" in declared


@pytest.mark.parametrize("parameter", sorted(set(PARAMETERS) - ASKED_FOR))
def test_every_default_is_a_value_that_is_allowed(parameter: str) -> None:
    declared = PARAMETERS[parameter]
    default = declared["Default"]
    if "AllowedValues" in declared:
        assert default in declared["AllowedValues"]
    elif declared["Type"] == "Number":
        assert declared["MinValue"] <= default <= declared["MaxValue"]
    else:
        assert accepts(parameter, default)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("AllowedEntityProjects", "my-team/*"),
        ("AllowedEntityProjects", "my-team/*,other/proj_1.2"),
        ("TrainingRoleArns", "arn:aws:iam::111122223333:role/training"),
        (
            "TrainingRoleArns",
            "arn:aws-cn:iam::111122223333:role/service-role/a,arn:aws:iam::111122223333:role/b",
        ),
        ("AllowedImages", "*"),
        (
            "AllowedImages",
            "111122223333.dkr.ecr.us-east-1.amazonaws.com/training:*,ghcr.io/me/a@sha256:0f",
        ),
        ("CheckpointStores", "s3://my-bucket/checkpoints/"),
        ("CheckpointStores", "s3://a.b-c/team=vision/v1.2/,s3://x--use1-az4--x-s3/_y/"),
        ("WandbBaseUrl", "https://my.wandb.io"),
        ("WandbBaseUrl", "http://127.0.0.1:8080"),
        ("WandbBaseUrl", "https://ml.example.com/wandb"),
        ("SecretKeyArn", "arn:aws:kms:eu-west-1:111122223333:key/mrk-0123abcd"),
        ("WandbCaParameter", "/wandb/ca"),
        ("SubnetIds", "subnet-0a1b,subnet-2c3d"),
        ("SecurityGroupIds", "sg-0a1b"),
        ("AllowedInstanceTypes", "ml.g5.*,ml.p4d.24xlarge"),
        ("AllowedSubnetIds", "subnet-0a1b"),
        ("TrainingJobPrefix", "team-vision-"),
        ("WandbSecretName", "team/wandb"),
        ("SweepSchedule", "rate(1 minute)"),
        ("SweepSchedule", "rate(59 minutes)"),
        ("NotificationEmail", "oncall@example.com"),
    ],
)
def test_a_sensible_value_is_taken(parameter: str, value: str) -> None:
    assert accepts(parameter, value)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("AllowedEntityProjects", ""),
        ("AllowedEntityProjects", "no-project"),
        ("AllowedEntityProjects", "a/b, c/d"),
        ("AllowedEntityProjects", "a/b/c"),
        ("TrainingRoleArns", ""),
        ("TrainingRoleArns", "*"),
        ("TrainingRoleArns", "arn:aws:iam::111122223333:role/*"),
        ("TrainingRoleArns", "arn:aws:iam::111122223333:role/good,arn:aws:iam::*:role/bad"),
        ("TrainingRoleArns", "arn:aws:iam::111122223333:user/me"),
        ("AllowedImages", "a image"),
        ("AllowedImages", "a,"),
        ("CheckpointStores", "*"),
        ("CheckpointStores", "s3://my-bucket/"),  # all of a bucket, a CheckpointConfig's folder too
        ("CheckpointStores", "s3://my-bucket/checkpoints"),
        ("CheckpointStores", "s3://my-bucket/checkpoints/*"),
        ("CheckpointStores", "s3://my-*/checkpoints/"),
        ("CheckpointStores", "s3://my-bucket//checkpoints/"),
        ("CheckpointStores", "s3://my-bucket/../other/"),
        ("CheckpointStores", "s3://my-bucket/%2e%2e/"),
        ("CheckpointStores", "s3://a/b/, s3://c/d/"),
        ("CheckpointStores", "file:///etc/"),
        ("WandbBaseUrl", "api.wandb.ai"),
        ("WandbBaseUrl", "https://api.wandb.ai/"),
        ("WandbBaseUrl", "https://api.wandb.ai/graphql?x=1"),
        ("WandbBaseUrl", "https://user@api.wandb.ai"),
        ("SecretKeyArn", "arn:aws:kms:eu-west-1:111122223333:key/*"),
        ("SecretKeyArn", "arn:aws:kms:eu-west-1:111122223333:alias/mine"),
        ("WandbCaParameter", "*"),
        ("WandbCaParameter", "wandb/ca"),
        ("WandbCaParameter", "/wandb/*"),
        ("SubnetIds", "vpc-0a1b"),
        ("AllowedInstanceTypes", "*"),
        ("AllowedSubnetIds", "*"),
        ("TrainingJobPrefix", "*"),
        ("TrainingJobPrefix", "Team-Vision-"),  # an ARN may show the name in lower case
        ("WandbSecretName", "*"),
        ("SweepSchedule", "rat(5 minutes)"),
        ("SweepSchedule", "rate(1 minutes)"),
        ("SweepSchedule", "rate(5 minute)"),
        ("SweepSchedule", "rate(0 minutes)"),
        ("SweepSchedule", "rate(60 minutes)"),
        ("SweepSchedule", "rate(1 day)"),
        ("NotificationEmail", "nobody"),
    ],
)
def test_a_value_that_would_break_or_widen_the_stack_is_refused(parameter: str, value: str) -> None:
    assert not accepts(parameter, value)


@pytest.mark.parametrize("minutes", range(1, 60))
def test_a_sweep_schedule_that_is_taken_is_one_that_eventbridge_understands(minutes: int) -> None:
    expression = f"rate({minutes} minute{'s' if minutes > 1 else ''})"
    assert accepts("SweepSchedule", expression)
    assert _parse_rate_seconds(expression) == 60 * minutes


def test_the_mode_is_one_of_the_three_that_the_code_knows() -> None:
    assert PARAMETERS["Mode"]["AllowedValues"] == ["act", "observe", "off"]


@pytest.mark.parametrize("output", source()["Outputs"])
def test_every_output_is_described(output: str) -> None:
    assert source()["Outputs"][output]["Description"]
