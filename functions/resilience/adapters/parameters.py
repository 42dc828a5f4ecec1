"""The W&B key, the stack's mode and the authority behind W&B's certificate."""

import json
import re
import ssl
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from resilience.decisions import Mode
from resilience.errors import KeyUnusable, Retry, SettingsMissing
from resilience.modes import more_careful

_KEY_SECONDS = 300
_KEY_FIELD = "WANDB_API_KEY"
_KEY = re.compile(r"[\x21-\x7e]+")  # what a header can carry
# Time heals none of these: the secret is missing, marked for deletion, or not ours to read.
_NEEDS_A_PERSON = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
    }
)
_NO_ANSWER = (ClientError, HTTPClientError, NoConnectionError)
_UNREADABLE = "unreadable"


def wandb_key(secrets_manager: Any, name: str) -> Callable[[], str]:  # noqa: ANN401 — boto3 has no types
    """Return what fetches the key: the secret's text, or its JSON field WANDB_API_KEY.

    It raises KeyUnusable where only a person can help, Retry where Secrets Manager may answer
    later. Neither quotes the secret or the service.
    """
    provider = SecretsProvider(boto3_client=secrets_manager)

    def key() -> str:
        found = _key_in(_secret(provider, name))
        if found is None:
            raise KeyUnusable(f"secret {name} holds no W&B key")
        return found

    return key


def _secret(provider: SecretsProvider, name: str) -> object:
    try:
        return provider.get(name, max_age=_KEY_SECONDS)
    except GetParameterError as error:
        if _code(error.__context__) in _NEEDS_A_PERSON:  # Powertools gives every error this name
            raise KeyUnusable(f"secret {name} cannot be read") from None
        raise Retry(f"no answer about secret {name}") from None


def _key_in(secret: object) -> str | None:
    """Take the key out of a secret's text; a binary secret has none."""
    text = secret.strip() if isinstance(secret, str) else ""
    try:
        key = json.loads(text)[_KEY_FIELD] if text.startswith("{") else text
    except (ValueError, KeyError, RecursionError):
        return None
    stripped = key.strip() if isinstance(key, str) else ""
    return stripped if _KEY.fullmatch(stripped) else None


class ModeSwitch:
    """The live switch, which a person or the breaker sets, below the ceiling that a deploy sets.

    The stack does not own the parameter, so no deploy turns it back. It need not exist.
    """

    def __init__(self, ssm: Any, name: str, ceiling: Mode) -> None:  # noqa: ANN401 — boto3 has no types
        self._ssm = ssm
        self._name = name
        self._ceiling = ceiling

    def read(self) -> tuple[Mode, int]:
        """Read afresh the mode, and since when the switch stands (0: nobody ever set it)."""
        try:
            found = self._ssm.get_parameter(Name=self._name)["Parameter"]
        except _NO_ANSWER as error:
            if _code(error) == "ParameterNotFound":
                return self._ceiling, 0
            raise Retry(f"cannot read parameter {self._name}") from None
        word = str(found["Value"]).strip() or _UNREADABLE
        return more_careful(word, self._ceiling), int(found["LastModifiedDate"].timestamp())

    def observe(self) -> None:
        """Set the switch to observe, unless a person has set it to off in the meantime."""
        if self.read()[0] is Mode.OFF:
            return
        try:
            self._ssm.put_parameter(
                Name=self._name, Value=str(Mode.OBSERVE), Type="String", Overwrite=True
            )
        except _NO_ANSWER:
            raise Retry(f"cannot set parameter {self._name}") from None


def stack_mode(ssm: Any, name: str, ceiling: Mode) -> Callable[[], Mode]:  # noqa: ANN401 — boto3 has no types
    """Return what reads the mode. Nothing is cached: `off` holds from the next message on."""
    switch = ModeSwitch(ssm, name, ceiling)
    return lambda: switch.read()[0]


def wandb_trust(ssm: Any, name: str) -> ssl.SSLContext | None:  # noqa: ANN401 — boto3 has no types
    """Return a context that trusts the certificates in the parameter, and no others.

    None where no parameter is named: the public authorities count. Raises SettingsMissing where
    the parameter is not there or holds no certificate.
    """
    if not name:
        return None
    try:
        return ssl.create_default_context(cadata=_text(ssm, name))
    except (ssl.SSLError, ValueError):
        raise SettingsMissing(f"parameter {name} holds no PEM certificate") from None


def _text(ssm: Any, name: str) -> str:  # noqa: ANN401 — boto3 has no types
    try:
        return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except _NO_ANSWER:
        raise SettingsMissing(f"cannot read parameter {name}") from None


def _code(error: BaseException | None) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
