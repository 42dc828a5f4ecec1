"""What a request says of its own signature (Signature Version 4), in its header or in its query."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from local.aws.gate.request import RefusedError, Request

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SKEW_SECONDS = 15 * 60
LONGEST_SECONDS = 7 * 24 * 3600
TIMESTAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
# Only the query names these; beside an Authorization header they would be a second signer.
IN_QUERY = frozenset({"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid"})


@dataclass(frozen=True)
class Claim:
    access_key: str
    region: str
    service: str
    signed_headers: frozenset[str]
    signature: str
    timestamp: str
    token: str
    # Seconds for which a presigned address is good; None for a signed header.
    expires: int | None = None

    def check_time(self, now: float) -> None:
        signed = _moment(self.timestamp)
        if now < signed - SKEW_SECONDS:
            raise RefusedError("RequestTimeTooSkewed", "Signature not yet current.")
        if self.expires is None and now > signed + SKEW_SECONDS:
            raise RefusedError("RequestTimeTooSkewed", f"Signature expired: {self.timestamp}.")
        if self.expires is not None and now > signed + self.expires:
            raise RefusedError("AccessDenied", "Request has expired")


def read_claim(request: Request) -> Claim:
    authorization = request.header("authorization")
    if authorization and request.arguments() & IN_QUERY:
        raise RefusedError("InvalidArgument", "Only one auth mechanism allowed.")
    if authorization:
        return _of_header(request, authorization)
    if "x-amz-algorithm" in request.arguments():
        return _of_query(request)
    raise RefusedError("MissingAuthenticationToken", "Missing Authentication Token")


def _of_header(request: Request, authorization: str) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    pairs = [part.strip().partition("=")[::2] for part in rest.split(",")]
    if algorithm != ALGORITHM or len({name for name, _ in pairs}) != len(pairs):
        raise RefusedError("IncompleteSignature", f"Authorization must be one of {ALGORITHM}.")
    said, timestamp = dict(pairs), request.header("x-amz-date")
    return _claim(said, timestamp, request.header("x-amz-security-token"), None)


def _of_query(request: Request) -> Claim:
    if request.argument("X-Amz-Algorithm") != ALGORITHM:
        raise RefusedError("IncompleteSignature", f"X-Amz-Algorithm must be {ALGORITHM}.")
    names = ("Credential", "SignedHeaders", "Signature")
    said = {name: request.argument(f"X-Amz-{name}") for name in names}
    seconds = request.argument("X-Amz-Expires")
    if not (seconds.isascii() and seconds.isdigit() and 0 < int(seconds) <= LONGEST_SECONDS):
        raise RefusedError("AuthorizationQueryParametersError", "X-Amz-Expires is out of range.")
    timestamp, token = request.argument("X-Amz-Date"), request.argument("X-Amz-Security-Token")
    return _claim(said, timestamp, token, int(seconds))


def _claim(said: Mapping[str, str], timestamp: str, token: str, expires: int | None) -> Claim:
    scope = said.get("Credential", "").split("/")
    signed = frozenset(said.get("SignedHeaders", "").split(";"))
    if len(scope) != 5 or scope[4] != TERMINATOR or not TIMESTAMP.fullmatch(timestamp):  # noqa: PLR2004 - key/date/region/service/terminator
        raise RefusedError("IncompleteSignature", "Credential or X-Amz-Date is incomplete.")
    if scope[1] != timestamp[:8]:
        raise RefusedError("SignatureDoesNotMatch", "The scope's date is not the request's.")
    return Claim(
        access_key=scope[0],
        region=scope[2],
        service=scope[3],
        signed_headers=signed,
        signature=said.get("Signature", ""),
        timestamp=timestamp,
        token=token,
        expires=expires,
    )


def _moment(timestamp: str) -> float:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise RefusedError("IncompleteSignature", f"{timestamp} is no moment.") from None
