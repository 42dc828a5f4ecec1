import json
import os
import secrets
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from resilient_training.environment import fetch_key, prepare_environment
from resilient_training.job import job_from

REGION = "eu-west-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "WANDB_API_KEY", "WANDB_RUN_ID", "WANDB_RESUME"):
        monkeypatch.setenv(name, "x")  # so that what a test sets is undone afterwards
        monkeypatch.delenv(name)
    with mock_aws():
        yield


@pytest.fixture
def key() -> str:
    return secrets.token_hex(20)


def store(value: str) -> dict[str, str]:
    boto3.client("secretsmanager", region_name=REGION).create_secret(Name="k", SecretString=value)
    return {"WANDB_SECRET_NAME": "k"}


def test_the_key_is_fetched_from_the_secret_plain_or_in_json(key: str) -> None:
    assert fetch_key(store(key), REGION) == key
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId="k", SecretString=json.dumps({"WANDB_API_KEY": key})
    )
    assert fetch_key({"WANDB_SECRET_NAME": "k"}, REGION) == key


@pytest.mark.parametrize("form", ["{key}\n", " {key}\r\n", '{{"WANDB_API_KEY": "{key}\\n"}}\n'])
def test_the_newline_that_an_editor_left_at_the_keys_end_is_no_part_of_it(
    form: str, key: str
) -> None:
    """`--secret-string file://key.txt` stores it, and wandb.init refuses such a key."""
    assert fetch_key(store(form.format(key=key)), REGION) == key


def test_a_key_that_is_there_already_is_used_without_asking_anybody() -> None:
    assert fetch_key({"WANDB_SECRET_NAME": "missing", "WANDB_API_KEY": "there"}, REGION) is None
    assert fetch_key({}, None) is None


def test_a_fresh_job_gets_a_run_id_that_its_lineage_finds_again(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for name, value in store(key).items():
        monkeypatch.setenv(name, value)
    prepare_environment(job_from({"TRAINING_JOB_NAME": "digits", "AWS_REGION": REGION}))
    assert os.environ["WANDB_RUN_ID"] == "digits"
    assert os.environ["WANDB_RESUME"] == "allow"
    assert os.environ["WANDB_API_KEY"] == key
