"""The credentials a job works with: a session of its own role, made as SageMaker makes one."""

import secrets
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ministack.services import sts

from local.aws.sagemaker.jobs import TrainingJob

KEY_ALPHABET = string.ascii_uppercase + string.digits
# The longest a training may run is 28 days; a session outlives its job and ends with it.
LIFETIME = 29 * 86400


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    token: str


@contextmanager
def of_role(job: TrainingJob) -> Iterator[Credentials]:
    """Hold a session of the job's role, which is worth nothing once the job is over."""
    key = "ASIA" + "".join(secrets.choice(KEY_ALPHABET) for _ in range(16))
    credentials = Credentials(key, secrets.token_urlsafe(30), secrets.token_urlsafe(120))
    role = job.request["RoleArn"].rpartition("/")[2]
    account = job.place.account
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/SageMaker",
            "UserId": f"AROA{key[4:]}:SageMaker",
            "SecretAccessKey": credentials.secret_key,
            "SessionToken": credentials.token,
            "Expiration": time.time() + LIFETIME,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    try:
        yield credentials
    finally:
        sts._sessions.pop(key, None)  # noqa: SLF001 - the pin is exact
