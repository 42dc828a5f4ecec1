"""The W&B key on its way into Secrets Manager."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.client import BaseClient

from launch import main
from launching.account import LaunchError
from launching.options import parser_for, spec_for
from launching.secret import check_kms_key, ensure_secret, find_key
from tests.template.stack import source
from tests.unit.small_launch import ACCOUNT, account


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseClient]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session.client("secretsmanager")


def stored(secrets: BaseClient) -> str:
    return str(secrets.get_secret_value(SecretId="key")["SecretString"])


def test_a_secret_is_made_where_there_is_none_and_then_left_as_it_is(secrets: BaseClient) -> None:
    with pytest.raises(LaunchError, match="no W&B key"):
        ensure_secret(secrets, name="key", value=None)
    arn = ensure_secret(secrets, name="key", value="one")
    assert ensure_secret(secrets, name="key", value="one") == arn
    assert ensure_secret(secrets, name="key", value=None) == arn
    versions = secrets.list_secret_version_ids(SecretId="key", IncludeDeprecated=True)
    assert len(versions["Versions"]) == 1


def test_a_secret_that_holds_another_key_is_replaced_only_on_demand(secrets: BaseClient) -> None:
    ensure_secret(secrets, name="key", value="the controller's")
    with pytest.raises(LaunchError, match="--replace-secret") as refusal:
        ensure_secret(secrets, name="key", value="mine")
    assert "controller's" not in str(refusal.value)
    assert "mine" not in str(refusal.value)
    assert stored(secrets) == "the controller's"
    ensure_secret(secrets, name="key", value="mine", replace=True)
    assert stored(secrets) == "mine"


@pytest.mark.parametrize("text", ["mine\n", ' {"WANDB_API_KEY": "mine\\n", "other": "1"}'])
def test_the_same_key_in_another_form_is_the_same_key(secrets: BaseClient, text: str) -> None:
    secrets.create_secret(Name="key", SecretString=text)
    ensure_secret(secrets, name="key", value="mine")
    assert stored(secrets) == text


def test_a_secret_of_no_known_form_holds_another_key(secrets: BaseClient) -> None:
    secrets.create_secret(Name="key", SecretString="{broken")
    with pytest.raises(LaunchError, match="another W&B key"):
        ensure_secret(secrets, name="key", value="mine")


def test_the_launchers_secret_is_not_the_controllers() -> None:
    parameters = source()["Parameters"]
    controllers = parameters["WandbSecretName"]["Default"]
    spec = spec_for(parser_for({}).parse_args([]), ACCOUNT)
    assert spec.secret_name != controllers


def test_a_new_secret_is_put_under_the_key_that_is_named(secrets: BaseClient) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    ensure_secret(secrets, name="key", value="one", kms_key=key)
    assert secrets.describe_secret(SecretId="key")["KmsKeyId"] == key
    ensure_secret(secrets, name="key", value="one", kms_key=key)


def test_a_secret_that_no_training_could_decrypt_stops_the_launch(secrets: BaseClient) -> None:
    secrets.create_secret(Name="key", SecretString="one", KmsKeyId="alias/team")
    with pytest.raises(LaunchError, match=r"KMS key alias/team: give --secret-kms-key"):
        ensure_secret(secrets, name="key", value=None)


def test_a_secret_under_secrets_managers_own_key_needs_no_key_named(secrets: BaseClient) -> None:
    secrets.create_secret(Name="key", SecretString="one", KmsKeyId="alias/aws/secretsmanager")
    ensure_secret(secrets, name="key", value=None)


def test_a_kms_key_is_named_by_what_a_policy_can_grant() -> None:
    check_kms_key(None)
    check_kms_key("arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1a2b")
    for name in ("alias/team", "arn:aws:kms:eu-west-1:123456789012:key/*", "1a2b", "*"):
        with pytest.raises(LaunchError, match="give the ARN of the key"):
            check_kms_key(name)


@pytest.mark.usefixtures("secrets")
def test_a_wrong_kms_key_is_refused_before_anything_is_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = ["--region", "eu-west-1", "--name", "x", "--secret-kms-key", "alias/team"]
    assert main([*wrong, "--no-install"]) == 2
    assert "--secret-kms-key alias/team" in capsys.readouterr().err


def test_the_key_comes_from_its_file_else_the_environment_else_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nOTHER=1\nexport WANDB_API_KEY='from dotenv'\n")
    (tmp_path / "key").write_text("from file\n")
    environment = {"WANDB_API_KEY": "from environment\n"}
    assert find_key(environment, tmp_path / "key", tmp_path / ".env") == "from file"
    assert find_key(environment, None, tmp_path / ".env") == "from environment"
    assert find_key({"WANDB_API_KEY": "\n"}, None, tmp_path / ".env") == "from dotenv"
    assert find_key({}, None, tmp_path / ".env") == "from dotenv"
    assert find_key({}, None, tmp_path / "none") is None


def test_a_key_file_that_is_not_there_or_empty_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name, message in (("missing", "is no file"), ("empty", "is empty")):
        with pytest.raises(LaunchError, match=message):
            find_key({}, tmp_path / name, tmp_path / ".env")


def test_a_key_never_stands_in_a_secret_with_white_space_around_it(
    secrets: BaseClient, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("mine\r\n")
    ensure_secret(secrets, name="key", value=find_key({}, tmp_path / "key", tmp_path / ".env"))
    assert json.dumps(stored(secrets)) == '"mine"'
