"""What a job carries from its launch on, and what a launch may not contradict."""

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launching.account import LaunchError
from launching.opt_in import check_opt_in, job_environment, job_tags
from launching.spec import TrainingSpec, check
from resilience.wire import tags
from tests.unit.small_launch import SPEC, account, request_of, tags_of


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session


def refused(spec: TrainingSpec) -> str:
    with pytest.raises(LaunchError) as refusal:
        check(spec)
    return str(refusal.value)


def test_a_job_is_opted_in_from_the_start_where_the_entity_is_known(aws: boto3.Session) -> None:
    assert tags_of(request_of(SPEC, aws)) == {
        "WANDB_ENTITY": "team",
        "WANDB_PROJECT": "digits",
        "WANDB_CHECKPOINT_NAME": "model-digits-1",
        "WANDB_RUN_ID": "digits-1",
    }
    assert job_tags(replace(SPEC, entity=None)) == {}


def test_the_environment_of_an_opted_in_job_says_all_that_its_tags_say(aws: boto3.Session) -> None:
    environment = request_of(SPEC, aws)["Environment"]
    assert environment["WANDB_ENTITY"] == "team"
    assert environment["WANDB_PROJECT"] == "digits"
    assert environment["WANDB_RUN_ID"] == "digits-1"
    assert environment["RESILIENCE_COLLECTION"] == "team/digits/model-digits-1"
    assert environment["WANDB_RESUME"] == "allow"


def test_a_job_that_nobody_opts_in_has_neither_a_collection_nor_a_token() -> None:
    environment = job_environment(replace(SPEC, entity=None))
    assert not [name for name in environment if name.startswith("RESILIENCE_")]


def test_each_launch_draws_a_token_of_128_bits() -> None:
    drawn = {replace(SPEC, completion_token=one).completion_token for one in tokens(100)}
    assert len(drawn) == 100
    assert all(len(bytes.fromhex(token)) == 16 and token == token.lower() for token in drawn)


def tokens(count: int) -> list[str]:
    made = [
        TrainingSpec(
            name=SPEC.name,
            role_arn=SPEC.role_arn,
            image=SPEC.image,
            source=SPEC.source,
            home=SPEC.home,
            project=SPEC.project,
            secret_name=SPEC.secret_name,
            base_url=SPEC.base_url,
            entity=SPEC.entity,
        )
        for _ in range(count)
    ]
    return [job_environment(spec)["RESILIENCE_COMPLETION_TOKEN"] for spec in made]


def test_one_launch_has_one_token_however_often_its_request_is_composed(
    aws: boto3.Session,
) -> None:
    first, second = request_of(SPEC, aws), request_of(replace(SPEC, role_arn=SPEC.role_arn), aws)
    assert first["Environment"] == second["Environment"]
    assert SPEC.completion_token not in repr(SPEC)


def test_a_token_that_the_controller_could_not_read_is_refused() -> None:
    assert "32 lowercase hex" in refused(replace(SPEC, completion_token="UNSAFE"))


def test_the_key_never_gets_into_the_environment(aws: boto3.Session) -> None:
    assert "WANDB_API_KEY" not in request_of(SPEC, aws)["Environment"]
    assert "use the secret" in refused(replace(SPEC, environment={"WANDB_API_KEY": "x"}))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WANDB_ENTITY", "--entity"),
        ("WANDB_PROJECT", "--project"),
        ("WANDB_RUN_ID", "digits-1"),
        ("RESILIENCE_COLLECTION", "team/digits/model-digits-1"),
        ("RESILIENCE_COMPLETION_TOKEN", "the launch draws it"),
        ("RESILIENCE_ATTEMPT", "leave it out"),
    ],
)
def test_an_environment_that_contradicts_the_launch_is_refused(name: str, hint: str) -> None:
    message = refused(replace(SPEC, environment={name: "other"}))
    assert message.startswith(f"environment {name}=other: ")
    assert hint in message
    assert SPEC.completion_token not in message


def test_an_environment_that_agrees_and_any_other_name_are_carried(aws: boto3.Session) -> None:
    spec = replace(SPEC, environment={"WANDB_PROJECT": "digits", "NCCL_DEBUG": "INFO"})
    check(spec)
    assert request_of(spec, aws)["Environment"]["NCCL_DEBUG"] == "INFO"


@pytest.mark.parametrize(
    "key", ["WANDB_ENTITY", "WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_CHECKPOINT_NAME"]
)
def test_a_tag_that_contradicts_the_environment_is_refused(key: str) -> None:
    assert refused(replace(SPEC, tags={key: "other"})).startswith(f"--tag {key}=other: ")


def test_a_tag_that_would_opt_in_what_the_launch_does_not_is_refused() -> None:
    spec = replace(SPEC, entity=None, tags={"WANDB_ENTITY": "team"})
    assert "--entity" in refused(spec)


@pytest.mark.parametrize(
    "key", ["resilience:attempt", "resilience:verdict", "resilience:completed"]
)
def test_a_tag_that_only_the_controller_writes_is_refused(key: str) -> None:
    assert key in refused(replace(SPEC, tags={key: "1"}))


def test_an_alias_of_the_same_collection_and_peoples_own_tags_are_carried() -> None:
    chosen = {
        "WANDB_CHECKPOINT_NAME": "model-digits-1:best",
        "WANDB_CHECKPOINT_TAG": "best",
        "resilience:mode": "observe",
        "team": "vision",
    }
    check(replace(SPEC, tags=chosen))
    assert chosen.items() <= job_tags(replace(SPEC, tags=chosen)).items()


@given(st.text(max_size=130))
def test_a_name_in_wandb_is_what_the_controller_takes_for_one(name: str) -> None:
    spec = replace(SPEC, project=name)
    if tags.is_wandb_name(name):
        check_opt_in(spec)
    else:
        with pytest.raises(LaunchError, match="--project"):
            check_opt_in(spec)
