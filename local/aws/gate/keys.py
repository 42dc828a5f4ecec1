"""The access keys that count: the root user's of this run, and what IAM and STS have given out."""

from dataclasses import dataclass, field

from ministack.core import iam_evaluator
from ministack.core.responses import _account_from_sts_session
from ministack.core.responses import get_account_id as default_account

from local.aws.gate.request import RefusedError


@dataclass(frozen=True)
class Keys:
    root: str
    root_secret: str = field(repr=False)

    def secret_of(self, access_key: str, token: str) -> str:
        """The secret of a key that is good now, with the token that belongs to it."""
        if access_key == self.root and not token:
            return self.root_secret
        # MiniStack takes `test`, any account's number and no key at all for its root user.
        if iam_evaluator.is_root_access_key(access_key):
            raise _unknown()
        account = _account_from_sts_session(access_key)
        account = account or iam_evaluator.find_iam_access_key_account(access_key)
        found = iam_evaluator.resolve_credential(access_key, account or default_account(), token)
        if isinstance(found, iam_evaluator.CredentialResolutionError):
            raise RefusedError(found.code, found.message)
        return str(found.secret_access_key)


def _unknown() -> RefusedError:
    message = "The security token included in the request is invalid."
    return RefusedError("UnrecognizedClientException", message)
