"""Requests to a port on this machine as a browser, or anybody, may send them."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.auth import BaseSigner, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CREATE = {
    "X-Amz-Target": "SageMaker.CreateTrainingJob",
    "Content-Type": "application/x-amz-json-1.1",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def lets_pages_read(self) -> bool:
        return any(name.lower().startswith("access-control-") for name in self.headers)


def ask(
    address: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    seconds: float = 60,
) -> Answer:
    """Send exactly this; a header given replaces the one that would be sent."""
    parts = urlsplit(address)
    target = address.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
    with closing(HTTPConnection(parts.netloc, timeout=seconds)) as http:
        http.request(method, target, body, dict(headers or {}))
        response = http.getresponse()
        return Answer(response.status, dict(response.headers), response.read().decode())


@dataclass(frozen=True)
class Signer:
    """Whoever holds a key, and signs by hand."""

    access_key: str
    secret_key: str
    token: str | None = None

    def headers(  # noqa: PLR0913 - a request has these parts
        self,
        address: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        *,
        service: str = "sagemaker",
        kind: type[SigV4Auth] = SigV4Auth,
        since: timedelta = timedelta(),
    ) -> dict[str, str]:
        """The headers of a request that is signed, `since` ago."""
        request = AWSRequest(method, address, headers=dict(headers or {}), data=body)
        credentials = Credentials(self.access_key, self.secret_key, self.token)
        _sign(kind(credentials, service, "us-east-1"), request, since)
        return dict(request.headers.items())

    def address(
        self,
        signer: type[SigV4Auth],
        address: str,
        *,
        method: str = "GET",
        service: str = "s3",
        since: timedelta = timedelta(),
    ) -> str:
        """A presigned address."""
        request = AWSRequest(method, address)
        credentials = Credentials(self.access_key, self.secret_key, self.token)
        _sign(signer(credentials, service, "us-east-1"), request, since)
        return str(request.url)


def _sign(signer: BaseSigner, request: AWSRequest, since: timedelta) -> None:
    moment = datetime.now(UTC) - since
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(request)
