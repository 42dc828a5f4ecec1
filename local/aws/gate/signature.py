"""Computes what a request's signature must be, with botocore's own signers."""

import hmac

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local.aws.gate.claim import Claim
from local.aws.gate.request import RefusedError, Request

S3 = "s3"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)


class _Again(SigV4Auth):  # type: ignore[misc]  # botocore publishes no types
    """Signs what was signed: the headers that the claim names, and the payload as it was hashed."""

    payload_hash = ""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        return self.payload_hash


class _AgainForS3(_Again, S3SigV4Auth):  # type: ignore[misc]  # the same
    """S3 signs paths as they are sent; the others sign them normalised and quoted again."""


class Signing:
    """One claimed signature, computed again under the secret of the key that it names."""

    def __init__(self, request: Request, claim: Claim, secret: str) -> None:
        _check_what_is_signed(request, claim)
        kind = _AgainForS3 if claim.service == S3 else _Again
        self._signer = kind(Credentials(claim.access_key, secret), claim.service, claim.region)
        self._claim = claim
        self._signed = _signed_part(request, claim)

    def check(self, payload_hash: str) -> None:
        """Refuse the request unless its signature is for this payload."""
        self._signer.payload_hash = payload_hash
        canonical = self._signer.canonical_request(self._signed)
        expected = self.sign(self._signer.string_to_sign(self._signed, canonical))
        if not same(expected, self._claim.signature):
            raise RefusedError("SignatureDoesNotMatch", MISMATCH)

    def sign(self, text: str) -> str:
        return str(self._signer.signature(text, self._signed))

    @property
    def scope(self) -> str:
        return str(self._signer.credential_scope(self._signed))

    @property
    def timestamp(self) -> str:
        return self._claim.timestamp

    @property
    def seed(self) -> str:
        """The request's own signature, on which those of its chunks are built."""
        return self._claim.signature


def same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def _check_what_is_signed(request: Request, claim: Claim) -> None:
    """As S3: the host, and whatever of AWS's own headers is there, cannot be added on the way."""
    required = {name for name, _ in request.headers if name.startswith("x-amz-")} | {"host"}
    if required - claim.signed_headers:
        message = "There were headers present in the request which were not signed"
        raise RefusedError("AccessDenied", message)


def _signed_part(request: Request, claim: Claim) -> AWSRequest:
    if not request.path.startswith("/"):
        raise RefusedError("SignatureDoesNotMatch", MISMATCH)
    query = [pair for pair in request.query if pair[0].lower() != "x-amz-signature"]
    signed = AWSRequest(request.method, f"http://host{request.path}", params=query)
    for name, value in request.headers:
        if name in claim.signed_headers:
            signed.headers[name] = value  # botocore's headers keep every value of a name
    signed.context["timestamp"] = claim.timestamp
    return signed
