"""Having the job created: exactly once, by a role that SageMaker may not know yet."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

from launching.account import LaunchError
from launching.creation import launch
from launching.opt_in import job_environment
from launching.spec import TrainingSpec
from tests.unit.small_launch import SPEC

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from launching.trainer import NamedTrainer

# What terraform's provider asks again for; "Could not assume role" was the only one here.
NEW_TO_SAGEMAKER = [
    "Could not assume role arn:aws:iam::123456789012:role/x. Please ensure that the role exists",
    "Unauthorized to List objects under S3 URL: s3://home/p/code",
    "Access denied to OutputDataConfig S3 bucket home",
    "because no identity-based policy allows the s3:ListBucket action",
    "Access denied for repository: pytorch-training in registry ID: 763104351884",
]


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


@dataclass
class SageMaker:
    """Creates the job once its `refusals` are used up; it has at most one job."""

    refusals: list[ClientError]
    job: dict[str, Any] | None = None

    def describe_training_job(self, **_: object) -> dict[str, Any]:
        assert self.job is not None
        return self.job


@dataclass
class Trainer:
    sagemaker: SageMaker
    asked: dict[str, Any]

    def request(self) -> dict[str, Any]:
        return self.asked

    def train(self, **_: object) -> None:
        if self.sagemaker.refusals:
            raise self.sagemaker.refusals.pop(0)
        if self.sagemaker.job is not None:
            raise refusal("ResourceInUse", "Job name must be unique")
        self.sagemaker.job = self.asked


@dataclass
class Terminal:
    said: list[str]
    slept: list[float]


def request_of(spec: TrainingSpec) -> dict[str, Any]:
    """Of a CreateTrainingJob request, what tells one training from another."""
    code = {"S3DataSource": {"S3Uri": f"s3://{spec.home}/code/0123/"}}
    return {
        "TrainingJobName": spec.name,
        "AlgorithmSpecification": {"TrainingImage": spec.image},
        "Environment": job_environment(spec),
        "InputDataConfig": [{"ChannelName": "code", "DataSource": code}],
    }


def launched(sagemaker: SageMaker, request: dict[str, Any]) -> Terminal:
    terminal = Terminal([], [])
    launch(
        cast("BaseClient", sagemaker),
        cast("NamedTrainer", Trainer(sagemaker, request)),
        patience=3,
        say=terminal.said.append,
        sleep=terminal.slept.append,
    )
    return terminal


@pytest.mark.parametrize("message", NEW_TO_SAGEMAKER)
def test_a_role_that_is_new_to_sagemaker_is_waited_for_and_that_is_said(message: str) -> None:
    sagemaker = SageMaker([refusal("ValidationException", message)] * 2)
    terminal = launched(sagemaker, request_of(SPEC))
    assert sagemaker.job is not None
    assert terminal.slept == [5.0, 5.0]
    assert [line.rpartition("up to ")[2] for line in terminal.said] == ["2 times", "1 times"]


@pytest.mark.parametrize("message", NEW_TO_SAGEMAKER)
def test_a_role_that_stays_unknown_is_given_up(message: str) -> None:
    sagemaker = SageMaker([refusal("ValidationException", message)] * 9)
    with pytest.raises(ClientError, match=message[:20]):
        launched(sagemaker, request_of(SPEC))
    assert len(sagemaker.refusals) == 6


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationException", "1 validation error detected: instance type"),
        ("ResourceLimitExceeded", "The account-level service limit"),
        ("AccessDeniedException", "You may not assume role"),
    ],
)
def test_what_waiting_cannot_mend_is_not_waited_for(code: str, message: str) -> None:
    sagemaker = SageMaker([refusal(code, message)])
    with pytest.raises(ClientError, match=message):
        launched(sagemaker, request_of(SPEC))


def test_the_same_launch_again_is_no_second_job_although_its_token_is_another() -> None:
    sagemaker = SageMaker([])
    launched(sagemaker, request_of(SPEC))
    again = request_of(replace(SPEC, completion_token="0" * 32))
    assert sagemaker.job is not None
    assert sagemaker.job["Environment"] != again["Environment"]
    launched(sagemaker, again)
    assert sagemaker.job["Environment"] != again["Environment"]


@pytest.mark.parametrize("change", [{"environment": {"A": "1"}}, {"entity": "other"}])
def test_a_launch_that_differs_in_anything_else_is_another_job(change: dict[str, Any]) -> None:
    sagemaker = SageMaker([])
    launched(sagemaker, request_of(SPEC))
    with pytest.raises(LaunchError, match="another training job is called digits-1"):
        launched(sagemaker, request_of(replace(SPEC, **change)))
