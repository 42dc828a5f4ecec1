"""The stack's mode and the W&B key, on moto."""

import json
import secrets
import ssl
import time
import traceback
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.stub import Stubber

from resilience.adapters.parameters import ModeSwitch, stack_mode, wandb_key, wandb_trust
from resilience.decisions import Mode
from resilience.errors import KeyUnusable, ResilienceError, Retry, SettingsMissing
from tests.adapters.answering import Reply, answering
from tests.adapters.authority import Authority, https_server

SWITCH = "/resilience/stack/mode"
pytestmark = pytest.mark.usefixtures("moto")


def client(service: str) -> Any:  # noqa: ANN401 — boto3 has no types
    return boto3.client(service, region_name="us-east-1")


def with_mode(word: str) -> Any:  # noqa: ANN401 — boto3 has no types
    ssm = client("ssm")
    ssm.put_parameter(Name=SWITCH, Value=word, Type="String", Overwrite=True)
    return ssm


def with_secret(text: str) -> Any:  # noqa: ANN401 — boto3 has no types
    manager = client("secretsmanager")
    manager.create_secret(Name="wandb", SecretString=text)
    return manager


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("act", Mode.ACT),
        ("observe", Mode.OBSERVE),
        ("off", Mode.OFF),
        (" act\n", Mode.ACT),
        ("OFF", Mode.OFF),
        (" ", Mode.OBSERVE),
        ("yes please", Mode.OBSERVE),
    ],
)
def test_only_the_word_act_acts_and_only_the_word_off_switches_off(word: str, mode: Mode) -> None:
    assert stack_mode(with_mode(word), SWITCH, Mode.ACT)() is mode
    assert ModeSwitch(with_mode(word), SWITCH, Mode.ACT).read()[0] is mode


@pytest.mark.parametrize("ceiling", Mode)
def test_until_somebody_sets_the_switch_the_mode_of_the_stack_holds(ceiling: Mode) -> None:
    assert stack_mode(client("ssm"), SWITCH, ceiling)() is ceiling
    assert ModeSwitch(client("ssm"), SWITCH, ceiling).read() == (ceiling, 0)


@pytest.mark.parametrize(
    ("ceiling", "word", "mode"),
    [
        (Mode.OBSERVE, "act", Mode.OBSERVE),
        (Mode.OFF, "act", Mode.OFF),
        (Mode.OFF, "observe", Mode.OFF),
        (Mode.OBSERVE, "off", Mode.OFF),
        (Mode.OFF, "yes please", Mode.OFF),
    ],
)
def test_the_switch_makes_the_stack_more_careful_and_never_less(
    ceiling: Mode, word: str, mode: Mode
) -> None:
    assert stack_mode(with_mode(word), SWITCH, ceiling)() is mode


def test_off_holds_from_the_next_message_on() -> None:
    ssm = with_mode("act")
    mode = stack_mode(ssm, SWITCH, Mode.ACT)
    assert mode() is Mode.ACT
    with_mode("off")
    assert mode() is Mode.OFF


def refusing(service: str, code: str) -> Any:  # noqa: ANN401 — boto3 has no types
    """A client that the service answers with this error, each time."""
    made = client(service)
    stubber = Stubber(made)
    operation = {"ssm": "get_parameter", "secretsmanager": "get_secret_value"}[service]
    for _ in range(3):
        stubber.add_client_error(operation, code, "refused, and here is what you sent")
    stubber.activate()
    return made


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalError"])
def test_a_switch_that_cannot_be_read_is_no_switch_that_is_absent(code: str) -> None:
    ssm = refusing("ssm", code)
    for read in (stack_mode(ssm, SWITCH, Mode.ACT), ModeSwitch(ssm, SWITCH, Mode.ACT).read):
        with pytest.raises(Retry, match=SWITCH):
            read()


def test_the_breaker_turns_act_into_observe_and_its_moment_is_kept() -> None:
    ssm = with_mode("act")
    before = int(time.time())
    switch = ModeSwitch(ssm, SWITCH, Mode.ACT)
    switch.observe()
    mode, since = switch.read()
    assert mode is Mode.OBSERVE
    assert before <= since <= int(time.time())
    assert stack_mode(ssm, SWITCH, Mode.ACT)() is Mode.OBSERVE


def test_the_breaker_sets_a_switch_that_nobody_has_set_before() -> None:
    switch = ModeSwitch(client("ssm"), SWITCH, Mode.ACT)
    switch.observe()
    assert switch.read()[0] is Mode.OBSERVE
    assert client("ssm").get_parameter(Name=SWITCH)["Parameter"]["Type"] == "String"


def test_the_breaker_does_not_turn_off_into_observe() -> None:
    switch = ModeSwitch(with_mode("act"), SWITCH, Mode.ACT)
    assert switch.read()[0] is Mode.ACT
    with_mode("off")  # by a person, while the sweep was counting
    switch.observe()
    assert switch.read()[0] is Mode.OFF


def test_the_key_is_the_secrets_text_or_its_field() -> None:
    key = secrets.token_hex(20)
    manager = with_secret(f"{key}\n")
    manager.create_secret(Name="json", SecretString=json.dumps({"WANDB_API_KEY": f"{key}\n"}))
    assert wandb_key(manager, "wandb")() == key
    assert wandb_key(manager, "json")() == key


@pytest.mark.parametrize(
    "form",
    [
        '{{"API_KEY": "{key}"}}',
        '{{"WANDB_API_KEY": "{key}',
        '{{"WANDB_API_KEY": null, "other": "{key}"}}',
        '{{"WANDB_API_KEY": ["{key}"]}}',
        '{{"WANDB_API_KEY": ""}}',
        "{key} and more",
        "{key}\nX-Header: 1",
        "{key}\u00e9",
        "\u2018{key}\u2019",
        "\x00{key}",
        " ",
        '{{"a":' * 10_000,
    ],
)
def test_a_secret_that_is_no_key_is_a_persons_to_mend_and_is_not_told(form: str) -> None:
    key = secrets.token_hex(20)
    manager = with_secret(form.format(key=key))
    with pytest.raises(KeyUnusable, match="wandb") as unusable:
        wandb_key(manager, "wandb")()
    assert key not in "".join(traceback.format_exception(unusable.value))


def test_a_binary_secret_is_no_key() -> None:
    manager = client("secretsmanager")
    manager.create_secret(Name="wandb", SecretBinary=b"0123456789abcdef")
    with pytest.raises(KeyUnusable, match="wandb"):
        wandb_key(manager, "wandb")()


def test_a_secret_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyUnusable, match="no-such-secret"):
        wandb_key(client("secretsmanager"), "no-such-secret")()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceNotFoundException", KeyUnusable),
        ("AccessDeniedException", KeyUnusable),
        ("DecryptionFailure", KeyUnusable),
        ("InvalidRequestException", KeyUnusable),  # marked for deletion
        ("ThrottlingException", Retry),
        ("InternalServiceError", Retry),
    ],
)
def test_a_refusal_that_time_does_not_heal_is_told_from_one_that_it_does(
    code: str, error: type[ResilienceError]
) -> None:
    with pytest.raises(error, match="wandb") as raised:
        wandb_key(refusing("secretsmanager", code), "wandb")()
    assert "refused" not in "".join(traceback.format_exception(raised.value))


def status_of(url: str, trust: ssl.SSLContext | None) -> int:
    with urllib3.PoolManager(ssl_context=trust, retries=False) as pool:
        return pool.request("GET", url).status


def test_a_server_of_a_private_authority_is_trusted_by_the_named_parameter_alone(
    tmp_path: Path,
) -> None:
    ours, other = Authority(), Authority()
    client("ssm").put_parameter(Name="/wandb/ca", Value=ours.pem, Type="String")
    trust = wandb_trust(client("ssm"), "/wandb/ca")
    with https_server(ours, tmp_path) as server:
        assert status_of(server.url, trust) == 200
        with pytest.raises(urllib3.exceptions.SSLError):
            status_of(server.url, None)
    with https_server(other, tmp_path) as server, pytest.raises(urllib3.exceptions.SSLError):
        status_of(server.url, trust)


def test_without_a_named_parameter_the_public_authorities_count() -> None:
    assert wandb_trust(client("ssm"), "") is None


@pytest.mark.parametrize("text", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_parameter_without_a_certificate_ends_the_start_with_its_name(text: str) -> None:
    ssm = client("ssm")
    ssm.put_parameter(Name="/wandb/ca", Value=text, Type="String")
    with pytest.raises(SettingsMissing, match="/wandb/ca"):
        wandb_trust(ssm, "/wandb/ca")


def test_certificates_that_are_not_there_end_the_start_with_their_name() -> None:
    with pytest.raises(SettingsMissing, match="/wandb/ca"):
        wandb_trust(client("ssm"), "/wandb/ca")


@pytest.mark.parametrize("reply", [Reply(503), Reply(cut=True), Reply(silent=True)])
def test_parameters_that_do_not_answer_mean_again_later(reply: Reply) -> None:
    config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
    with answering(reply) as server:
        ssm = boto3.client("ssm", region_name="us-east-1", endpoint_url=server.url, config=config)
        switch = ModeSwitch(ssm, SWITCH, Mode.ACT)
        for ask in (switch.read, switch.observe, stack_mode(ssm, SWITCH, Mode.ACT)):
            with pytest.raises(Retry):
                ask()
        ssm.close()
