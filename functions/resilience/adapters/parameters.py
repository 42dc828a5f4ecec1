"""The W&B key and the stack's mode, through the Powertools' parameter cache."""

import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider, SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from resilience.decisions import Mode
from resilience.errors import Retry

MODE_SECONDS = 60  # how long a switched mode may take to be seen
_KEY_SECONDS = 300
_KEY_FIELD = "WANDB_API_KEY"
_NO_ANSWER = (ClientError, HTTPClientError, NoConnectionError)


def wandb_key(secrets_manager: Any, name: str) -> Callable[[], str]:  # noqa: ANN401 — boto3 has no types
    """Return what fetches the key: the secret's text, or its JSON field WANDB_API_KEY."""
    provider = SecretsProvider(boto3_client=secrets_manager)

    def key() -> str:
        text = _get(provider, name, _KEY_SECONDS)
        try:
            return str(json.loads(text)[_KEY_FIELD]) if text.startswith("{") else text
        except (ValueError, KeyError):
            # Without its cause, which holds the secret's text.
            raise Retry(f"secret {name} is JSON without {_KEY_FIELD}") from None

    return key


def stack_mode(ssm: Any, name: str) -> Callable[[], Mode]:  # noqa: ANN401 — boto3 has no types
    """Return what reads the mode; a word that is no mode observes, for it is not "act"."""
    provider = SSMProvider(boto3_client=ssm)

    def mode() -> Mode:
        word = _get(provider, name, MODE_SECONDS)
        return Mode(word) if word in set(Mode) else Mode.OBSERVE

    return mode


class ModeSwitch:
    """Fulfils sweeping.Switch: the mode with its age, read afresh, and set by the breaker."""

    def __init__(self, ssm: Any, name: str) -> None:  # noqa: ANN401 — boto3 has no types
        self._ssm = ssm
        self._name = name

    def read(self) -> tuple[Mode, int]:
        try:
            parameter = self._ssm.get_parameter(Name=self._name)["Parameter"]
        except _NO_ANSWER:
            raise Retry(f"cannot read parameter {self._name}") from None
        word = str(parameter["Value"]).strip()
        mode = Mode(word) if word in set(Mode) else Mode.OBSERVE
        return mode, int(parameter["LastModifiedDate"].timestamp())

    def observe(self) -> None:
        try:
            self._ssm.put_parameter(Name=self._name, Value=str(Mode.OBSERVE), Overwrite=True)
        except _NO_ANSWER:
            raise Retry(f"cannot set parameter {self._name}") from None


def _get(provider: SecretsProvider | SSMProvider, name: str, seconds: int) -> str:
    try:
        return str(provider.get(name, max_age=seconds)).strip()
    except GetParameterError:
        # The parameter's name, never the error's text: it may quote what was read.
        raise Retry(f"cannot read parameter or secret {name}") from None
