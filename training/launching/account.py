"""Where a launch happens: partition, account and region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

# What the names of a partition's services end in; botocore has the same list, as no public API.
_DOMAINS = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
    "aws-us-gov": "amazonaws.com",
}


class LaunchError(Exception):
    """A launch that cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Account:
    partition: str
    number: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"

    @property
    def domain(self) -> str:
        """What the host names of AWS end in here: another in China and in isolated regions."""
        return _DOMAINS.get(self.partition, "amazonaws.com")


def account_of(session: boto3.Session) -> Account:
    if session.region_name is None:
        raise LaunchError("no region: set AWS_REGION or AWS_DEFAULT_REGION, or give --region")
    caller = session.client("sts").get_caller_identity()
    return Account(caller["Arn"].split(":")[1], caller["Account"], session.region_name)
