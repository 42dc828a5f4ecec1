"""Credentials of a function's execution role, as Lambda's own call to AssumeRole gives them."""

import secrets
import time

from ministack.core.arn import parse_arn
from ministack.services import sts

from local.aws import permissions
from local.aws.lambda_runtime.spec import FunctionSpec

SESSION_SECONDS = 12 * 3600


class RoleCannotBeAssumedError(Exception):
    """The function's role does not exist, or does not trust lambda.amazonaws.com."""


def for_role(spec: FunctionSpec) -> dict[str, str]:
    conditions = {"aws:sourcearn": spec.arn, "aws:sourceaccount": spec.account}
    if not permissions.role_trusts(spec.role, "lambda.amazonaws.com", conditions):
        raise RoleCannotBeAssumedError(spec.role)
    access_key = f"ASIA{secrets.token_hex(8).upper()}"
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(200)
    account, role = parse_arn(spec.role).account_id, spec.role.rsplit("/", 1)[-1]
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{spec.name}",
        "UserId": f"{role}:{spec.name}",
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Expiration": time.time() + SESSION_SECONDS,
        "AccountId": account,
        "PrincipalType": "AssumedRole",
    }
    sts.register_session(access_key, session)
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }
