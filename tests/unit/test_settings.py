"""What a deployment sets: everything is read once, and what is missing is named."""

from dataclasses import fields, replace

import pytest

from resilience import settings
from resilience.decide.decisions import CheckpointRequest, Mode, Policy
from resilience.decide.stores import Store
from resilience.errors import SettingsMissing

GIVEN = {
    "WANDB_BASE_URL": "https://api.wandb.ai/",
    "WANDB_SECRET_NAME": "resilience/wandb",
    "RESILIENCE_MODE": "act",
    "RESILIENCE_MODE_PARAMETER": "/resilience/stack/mode",
    "RESILIENCE_BREAKER_PARAMETER": "/resilience/stack/breaker",
    "RESILIENCE_READ_JOB_LOGS": "no",
    "RESILIENCE_ALLOWED_PROJECTS": "my-team/*, other/digits",
    "RESILIENCE_ALLOWED_IMAGES": "*.dkr.ecr.*.amazonaws.com/*",
    "RESILIENCE_TRAINING_ROLES": "arn:aws:iam::111122223333:role/a,arn:aws:iam::1:role/b",
    "RESILIENCE_QUEUE_ARN": "arn:aws:sqs:eu-west-1:111122223333:ended",
    "RESILIENCE_DEAD_LETTER_URL": "https://sqs.test/dead",
    "RESILIENCE_TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:told",
    "RESILIENCE_SCHEDULE_GROUP": "waits",
    "RESILIENCE_SCHEDULE_ROLE_ARN": "arn:aws:iam::111122223333:role/waits",
}
OF_THE_SWEEP = {
    "RESILIENCE_ALLOWED_PROJECTS": "my-team/*",
    "RESILIENCE_MODE": "act",
    "RESILIENCE_MODE_PARAMETER": "/resilience/stack/mode",
    "RESILIENCE_BREAKER_PARAMETER": "/resilience/stack/breaker",
    "RESILIENCE_QUEUE_URL": "https://sqs.test/ended",
    "RESILIENCE_SWEEP_GRACE_SECONDS": "180",
    "RESILIENCE_MAX_AGE_DAYS": "15",
    "RESILIENCE_TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:told",
    "RESILIENCE_BREAKER_FAILURES": "25",
    "RESILIENCE_BREAKER_WINDOW_SECONDS": "900",
}
NUMBERS = {field.name: f"RESILIENCE_{field.name.upper()}" for field in fields(Policy)}


def test_what_is_given_is_read() -> None:
    read = settings.of_on_training_ended(GIVEN)
    assert read.wandb_base_url == "https://api.wandb.ai"
    assert read.allowed_projects == ("my-team/*", "other/digits")
    assert len(read.training_roles) == 2
    assert read.policy == Policy()
    swept = settings.of_sweep(OF_THE_SWEEP)
    assert (swept.grace_seconds, swept.lookback_seconds) == (180, 15 * 86_400)


@pytest.mark.parametrize("mode", Mode)
def test_the_mode_of_the_stack_is_read_by_both_functions(mode: Mode) -> None:
    given = {"RESILIENCE_MODE": str(mode)}
    assert settings.of_on_training_ended(GIVEN | given).mode is mode
    assert settings.of_sweep(OF_THE_SWEEP | given).mode is mode


def test_the_logs_of_jobs_are_read_where_the_stack_says_so() -> None:
    assert not settings.of_on_training_ended(GIVEN).reads_job_logs
    given = GIVEN | {"RESILIENCE_READ_JOB_LOGS": "yes"}
    assert settings.of_on_training_ended(given).reads_job_logs


@pytest.mark.parametrize("text", ["", " ", ",", None])
def test_no_store_is_allowed_where_none_is_named(text: str | None) -> None:
    given = {} if text is None else {"RESILIENCE_ALLOWED_STORES": text}
    assert settings.of_on_training_ended(GIVEN | given).allowed_stores == ()


def test_the_stores_that_are_allowed_are_read_each_for_itself() -> None:
    given = GIVEN | {"RESILIENCE_ALLOWED_STORES": "s3://a/b/, s3://c/d/e/,"}
    read = settings.of_on_training_ended(given)
    assert read.allowed_stores == (Store("a", ("b",)), Store("c", ("d", "e")))


@pytest.mark.parametrize("text", ["s3://a/", "*", "s3://a/b/,s3://c/../d/"])
def test_a_store_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsMissing, match="RESILIENCE_ALLOWED_STORES must hold"):
        settings.of_on_training_ended(GIVEN | {"RESILIENCE_ALLOWED_STORES": text})


@pytest.mark.parametrize("word", ["true", "YES", "1"])
def test_a_word_that_is_neither_yes_nor_no_is_refused_by_name(word: str) -> None:
    with pytest.raises(SettingsMissing, match="RESILIENCE_READ_JOB_LOGS must be"):
        settings.of_on_training_ended(GIVEN | {"RESILIENCE_READ_JOB_LOGS": word})


@pytest.mark.parametrize("word", ["ACT", "on", "true"])
def test_a_mode_of_the_stack_that_is_none_is_refused_by_name(word: str) -> None:
    for read, given in ((settings.of_on_training_ended, GIVEN), (settings.of_sweep, OF_THE_SWEEP)):
        with pytest.raises(SettingsMissing, match="RESILIENCE_MODE must be"):
            read({**given, "RESILIENCE_MODE": word})


def test_the_sweep_looks_back_as_far_as_a_job_may_be_relaunched() -> None:
    assert settings.of_on_training_ended(GIVEN).policy.max_age_days == 15
    one_day = OF_THE_SWEEP | {"RESILIENCE_MAX_AGE_DAYS": "1"}
    assert settings.of_sweep(one_day).lookback_seconds == 86_400


def test_the_authority_of_wandbs_certificate_is_a_public_one_unless_a_parameter_is_named() -> None:
    assert settings.of_on_training_ended(GIVEN).wandb_ca_parameter == ""
    named = settings.of_on_training_ended(GIVEN | {"WANDB_CA_PARAMETER": "/wandb/ca"})
    assert named.wandb_ca_parameter == "/wandb/ca"


@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_that_is_missing_is_named(name: str) -> None:
    for given in (without(GIVEN, name), GIVEN | {name: ""}, GIVEN | {name: "  "}):
        with pytest.raises(SettingsMissing, match=name):
            settings.of_on_training_ended(given)


@pytest.mark.parametrize("name", OF_THE_SWEEP)
def test_a_setting_of_the_sweep_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsMissing, match=name):
        settings.of_sweep(without(OF_THE_SWEEP, name))


@pytest.mark.parametrize("name", ["RESILIENCE_ALLOWED_PROJECTS", "RESILIENCE_TRAINING_ROLES"])
def test_a_list_that_names_nothing_is_refused_rather_than_read_as_everything(name: str) -> None:
    with pytest.raises(SettingsMissing, match=name):
        settings.of_on_training_ended(GIVEN | {name: " , ,"})


@pytest.mark.parametrize(("number", "name"), NUMBERS.items())
def test_every_number_of_the_policy_is_a_setting(number: str, name: str) -> None:
    read = settings.of_on_training_ended(GIVEN | {name: "7"}).policy
    assert read == replace(Policy(), **{number: 7})


@pytest.mark.parametrize("text", ["", "ten", "-1", "1.5", "٣"])
@pytest.mark.parametrize("name", NUMBERS.values())
def test_a_number_that_is_none_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsMissing, match=name):
        settings.of_on_training_ended(GIVEN | {name: text})


@pytest.mark.parametrize(
    ("entity", "project", "allowed"),
    [
        ("my-team", "anything", True),
        ("other", "digits", True),
        ("other", "digits2", False),
        ("my-team2", "digits", False),
        ("", "digits", False),
    ],
)
def test_only_projects_on_the_list_are_allowed(entity: str, project: str, *, allowed: bool) -> None:
    request = CheckpointRequest(entity=entity, project=project, collection="model-r1")
    assert settings.of_on_training_ended(GIVEN).allows_project(request) is allowed


def without(given: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in given.items() if key != name}
