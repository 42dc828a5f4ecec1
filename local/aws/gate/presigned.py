"""Addresses signed in S3's older way (HMAC with SHA-1), which is how boto3 presigns by default."""

from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local.aws.gate.request import RefusedError, Request
from local.aws.gate.signature import MISMATCH, same

SIGNER = frozenset({"awsaccesskeyid", "signature", "expires"})
# Besides these and AWS's own, which the signature covers as if they were headers, botocore names
# the arguments that it covers. What it does not cover could be added by whoever has the address.
AS_HEADERS = frozenset({"content-md5", "content-type"})
UNSIGNED_AND_HARMLESS = frozenset({"x-id"})


class _Until(HmacV1Auth):  # type: ignore[misc]  # botocore publishes no types
    """A presigned address has its end where a signed header has the date of the request."""

    def __init__(self, credentials: Credentials, expires: str) -> None:
        super().__init__(credentials)
        self._expires = expires

    def _get_date(self) -> str:
        return self._expires


def is_presigned(request: Request) -> bool:
    return "awsaccesskeyid" in request.arguments() and not request.header("authorization")


def check_presigned(request: Request, secret: str, now: float) -> None:
    expires = request.argument("Expires")
    if not (expires.isascii() and expires.isdigit() and int(expires) >= now):
        raise RefusedError("AccessDenied", "Request has expired")
    _check_arguments(request)
    signer = _Until(Credentials(request.argument("AWSAccessKeyId"), secret), expires)
    split = urlsplit(f"http://host{request.path}?{request.query_string}")
    expected = signer.get_signature(request.method, split, _headers(request))
    if not same(expected, request.argument("Signature")):
        raise RefusedError("SignatureDoesNotMatch", MISMATCH)


def _check_arguments(request: Request) -> None:
    covered = (
        SIGNER | AS_HEADERS | UNSIGNED_AND_HARMLESS | {a.lower() for a in HmacV1Auth.QSAOfInterest}
    )
    loose = {n for n in request.arguments() if n not in covered and not n.startswith("x-amz-")}
    if loose:
        message = f"This signature does not cover {', '.join(sorted(loose))}; sign with s3v4."
        raise RefusedError("AccessDenied", message)


def _headers(request: Request) -> HTTPHeaders:
    """AWS's own headers, in the query or not, and those that say what the body is."""
    found: dict[str, str] = {}
    for name, value in (*request.query, *request.headers):
        lower = name.lower()
        if not (lower in AS_HEADERS or lower.startswith("x-amz-")):
            continue
        if found.setdefault(lower, value) != value:
            raise RefusedError("SignatureDoesNotMatch", MISMATCH)
    headers = HTTPHeaders()
    for name, value in found.items():
        headers[name] = value
    return headers
