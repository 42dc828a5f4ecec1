"""The W&B key, the stack's switches and the authority behind W&B's certificate."""

import json
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from resilience.decide.breaker import Breaker
from resilience.decide.decisions import Mode
from resilience.decide.modes import more_careful
from resilience.errors import KeyUnusable, Retry, SettingsMissing
from resilience.wire.switches import Switches, breaker_of, text_of

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


class SsmSwitches:
    """Fulfils fleet.StackSwitches: the live switches, below the ceiling that a deploy sets.

    The stack owns neither parameter, so no deploy turns one back. Neither need exist.
    """

    def __init__(self, ssm: Any, *, mode: str, breaker: str, ceiling: Mode) -> None:  # noqa: ANN401 — boto3 has no types
        self._ssm = ssm
        self._mode = mode
        self._breaker = breaker
        self._ceiling = ceiling

    def read(self) -> Switches:
        """Read both afresh, in one call; one that does not exist was never set."""
        try:
            answer = self._ssm.get_parameters(Names=[self._mode, self._breaker])
        except _NO_ANSWER:
            raise Retry(f"cannot read parameters {self._mode}, {self._breaker}") from None
        found = {one["Name"]: one for one in answer["Parameters"]}
        if len(found) + len(answer.get("InvalidParameters", ())) != len(
            {self._mode, self._breaker}
        ):
            raise Retry(f"no answer about {self._mode}, {self._breaker}")
        return Switches(self._mode_in(found), self._breaker_in(found))

    def _mode_in(self, found: Mapping[str, Any]) -> Mode:
        if self._mode not in found:
            return self._ceiling
        word = str(found[self._mode]["Value"]).strip() or _UNREADABLE
        return more_careful(word, self._ceiling)

    def _breaker_in(self, found: Mapping[str, Any]) -> Breaker:
        one = found.get(self._breaker)
        if one is None:
            return Breaker()
        return breaker_of(str(one["Value"]), int(one["LastModifiedDate"].timestamp()))

    def write(self, breaker: Breaker, *, instead_of: Breaker) -> bool:
        """Set the breaker, unless a person has set it in the meantime: SSM cannot compare."""
        if self.read().breaker != instead_of:
            return False
        try:
            self._ssm.put_parameter(
                Name=self._breaker, Value=text_of(breaker), Type="String", Overwrite=True
            )
        except _NO_ANSWER:
            raise Retry(f"cannot set parameter {self._breaker}") from None
        return True


def stack_switches(
    ssm: Any,  # noqa: ANN401 — boto3 has no types
    *,
    mode: str,
    breaker: str,
    ceiling: Mode,
) -> Callable[[], Switches]:
    """Return what reads both. Nothing is cached: `off` holds from the next message on."""
    return SsmSwitches(ssm, mode=mode, breaker=breaker, ceiling=ceiling).read


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
