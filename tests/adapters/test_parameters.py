"""The stack's mode and the W&B key, on moto."""

import json
import secrets
import time
import traceback
from typing import Any

import boto3
import pytest
from botocore.config import Config

from resilience.adapters.parameters import ModeSwitch, stack_mode, wandb_key
from resilience.decisions import Mode
from resilience.errors import Retry
from tests.adapters.answering import Reply, answering

pytestmark = pytest.mark.usefixtures("moto")


def client(service: str) -> Any:  # noqa: ANN401 — boto3 has no types
    return boto3.client(service, region_name="us-east-1")


def with_mode(word: str) -> Any:  # noqa: ANN401 — boto3 has no types
    ssm = client("ssm")
    ssm.put_parameter(Name="/resilience/mode", Value=word, Type="String", Overwrite=True)
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
        ("ACT", Mode.OBSERVE),
        ("yes please", Mode.OBSERVE),
    ],
)
def test_only_the_word_act_acts_and_only_the_word_off_switches_off(word: str, mode: Mode) -> None:
    assert stack_mode(with_mode(word), "/resilience/mode")() is mode
    assert ModeSwitch(with_mode(word), "/resilience/mode").read()[0] is mode


def test_without_its_mode_the_controller_does_nothing_and_comes_again() -> None:
    with pytest.raises(Retry, match="/resilience/mode"):
        stack_mode(client("ssm"), "/resilience/mode")()
    with pytest.raises(Retry, match="/resilience/mode"):
        ModeSwitch(client("ssm"), "/resilience/mode").read()


def test_the_breaker_turns_act_into_observe_and_its_moment_is_kept() -> None:
    ssm = with_mode("act")
    before = int(time.time())
    switch = ModeSwitch(ssm, "/resilience/mode")
    switch.observe()
    mode, since = switch.read()
    assert mode is Mode.OBSERVE
    assert before <= since <= int(time.time())
    assert stack_mode(ssm, "/resilience/mode")() is Mode.OBSERVE


def test_the_key_is_the_secrets_text_or_its_field() -> None:
    key = secrets.token_hex(20)
    manager = with_secret(f"{key}\n")
    manager.create_secret(Name="json", SecretString=json.dumps({"WANDB_API_KEY": key}))
    assert wandb_key(manager, "wandb")() == key
    assert wandb_key(manager, "json")() == key


@pytest.mark.parametrize("form", ['{{"API_KEY": "{key}"}}', '{{"WANDB_API_KEY": "{key}'])
def test_a_secret_of_another_form_is_not_told_in_the_error(form: str) -> None:
    key = secrets.token_hex(20)
    manager = with_secret(form.format(key=key))
    with pytest.raises(Retry, match="wandb") as retry:
        wandb_key(manager, "wandb")()
    assert key not in "".join(traceback.format_exception(retry.value))


def test_a_secret_that_is_not_there_is_named() -> None:
    with pytest.raises(Retry, match="no-such-secret"):
        wandb_key(client("secretsmanager"), "no-such-secret")()


@pytest.mark.parametrize("reply", [Reply(503), Reply(cut=True), Reply(silent=True)])
def test_parameters_that_do_not_answer_mean_again_later(reply: Reply) -> None:
    config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
    with answering(reply) as server:
        ssm = boto3.client("ssm", region_name="us-east-1", endpoint_url=server.url, config=config)
        switch = ModeSwitch(ssm, "/resilience/mode")
        for ask in (switch.read, switch.observe, stack_mode(ssm, "/resilience/mode")):
            with pytest.raises(Retry):
                ask()
        ssm.close()
