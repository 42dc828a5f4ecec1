"""The account that is deployed to: real AWS, or the one on this machine."""

from dataclasses import dataclass
from typing import cast

import boto3
from botocore.client import BaseClient


@dataclass(frozen=True)
class Access:
    session: boto3.Session
    endpoint: str | None = None

    def client(self, service: str) -> BaseClient:
        return self.session.client(service, endpoint_url=self.endpoint)

    @property
    def region(self) -> str:
        return cast("str", self.session.region_name)

    def account(self) -> str:
        return cast("str", self.client("sts").get_caller_identity()["Account"])
