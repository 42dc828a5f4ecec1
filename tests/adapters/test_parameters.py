"""The stack's switches and the W&B key, on moto."""

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

from resilience.adapters.parameters import SsmSwitches, stack_switches, wandb_key, wandb_trust
from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import Mode
from resilience.errors import KeyUnusable, ResilienceError, Retry, SettingsMissing
from tests.adapters.answering import Reply, answering
from tests.adapters.authority import Authority, https_server

SWITCH, BREAKER = "/resilience/stack/mode", "/resilience/stack/breaker"
OPEN = Breaker(state=Circuit.OPEN, since=1_700_000_000, cause="infrastructure")
pytestmark = pytest.mark.usefixtures("moto")


def client(service: str) -> Any:  # noqa: ANN401 — boto3 has no types
    return boto3.client(service, region_name="us-east-1")


def with_mode(word: str) -> Any:  # noqa: ANN401 — boto3 has no types
    ssm = client("ssm")
    ssm.put_parameter(Name=SWITCH, Value=word, Type="String", Overwrite=True)
    return ssm


def switches(ssm: Any, ceiling: Mode = Mode.ACT) -> SsmSwitches:  # noqa: ANN401 — boto3 has no types
    return SsmSwitches(ssm, mode=SWITCH, breaker=BREAKER, ceiling=ceiling)


def mode_of(ssm: Any, ceiling: Mode = Mode.ACT) -> Mode:  # noqa: ANN401 — boto3 has no types
    return stack_switches(ssm, mode=SWITCH, breaker=BREAKER, ceiling=ceiling)().mode


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
    assert mode_of(with_mode(word)) is mode


@pytest.mark.parametrize("ceiling", Mode)
def test_until_somebody_sets_the_switch_the_mode_of_the_stack_holds(ceiling: Mode) -> None:
    assert mode_of(client("ssm"), ceiling) is ceiling


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
    assert mode_of(with_mode(word), ceiling) is mode


def test_off_holds_from_the_next_message_on() -> None:
    ssm = with_mode("act")
    read = stack_switches(ssm, mode=SWITCH, breaker=BREAKER, ceiling=Mode.ACT)
    assert read().mode is Mode.ACT
    with_mode("off")
    assert read().mode is Mode.OFF


def refusing(service: str, code: str) -> Any:  # noqa: ANN401 — boto3 has no types
    """A client that the service answers with this error, each time."""
    made = client(service)
    stubber = Stubber(made)
    operation = {"ssm": "get_parameters", "secretsmanager": "get_secret_value"}[service]
    for _ in range(3):
        stubber.add_client_error(operation, code, "refused, and here is what you sent")
    stubber.activate()
    return made


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalError"])
def test_a_switch_that_cannot_be_read_is_no_switch_that_is_absent(code: str) -> None:
    ssm = refusing("ssm", code)
    with pytest.raises(Retry, match=SWITCH):
        switches(ssm).read()


def test_both_switches_are_read_in_one_call() -> None:
    ssm = client("ssm")
    stubber = Stubber(ssm)
    found = {"Name": SWITCH, "Value": "observe", "LastModifiedDate": 0}
    answer = {"Parameters": [found], "InvalidParameters": [BREAKER]}
    stubber.add_response("get_parameters", answer, {"Names": [SWITCH, BREAKER]})
    with stubber:
        read = switches(ssm).read()
    assert (read.mode, read.breaker) == (Mode.OBSERVE, Breaker())


def test_an_answer_that_leaves_a_switch_out_says_nothing_of_it() -> None:
    ssm = client("ssm")
    stubber = Stubber(ssm)
    stubber.add_response("get_parameters", {"Parameters": [], "InvalidParameters": [BREAKER]})
    with stubber, pytest.raises(Retry, match=SWITCH):
        switches(ssm).read()


def test_until_the_sweep_or_a_person_sets_it_the_breaker_is_closed() -> None:
    assert switches(with_mode("act")).read().breaker == Breaker()


def test_the_breaker_that_the_sweep_sets_is_read_back_and_the_mode_is_left_alone() -> None:
    ssm = with_mode("act")
    assert switches(ssm).write(OPEN, instead_of=Breaker())
    read = switches(ssm).read()
    assert (read.mode, read.breaker) == (Mode.ACT, OPEN)
    assert ssm.get_parameter(Name=BREAKER)["Parameter"]["Type"] == "String"


@pytest.mark.parametrize("word", ["closed", "open"])
def test_one_word_of_a_person_sets_the_breaker_and_the_sweep_does_not_undo_it(word: str) -> None:
    ssm = client("ssm")
    before = int(time.time())
    switches(ssm).write(OPEN, instead_of=Breaker())
    ssm.put_parameter(Name=BREAKER, Value=word, Type="String", Overwrite=True)
    assert not switches(ssm).write(Breaker(), instead_of=OPEN)
    found = switches(ssm).read().breaker
    assert (found.state, found.cause) == (Circuit(word), "")
    assert before <= found.since <= int(time.time())


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
        with pytest.raises(Retry):
            switches(ssm).read()
        with pytest.raises(Retry):
            switches(ssm).write(OPEN, instead_of=Breaker())
        ssm.close()
