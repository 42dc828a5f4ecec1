"""Bodies that are sent in signed chunks, as some clients of S3 do, are verified chunk by chunk."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

import pytest

from local.aws.gate.claim import Claim
from local.aws.gate.payload import CHUNKED, CHUNKED_WITH_TRAILER, check_payload
from local.aws.gate.request import RefusedError, Request
from local.aws.gate.signature import Signing

REGION, SERVICE = "us-east-1", "s3"
EMPTY = hashlib.sha256(b"").hexdigest()


def signed(secret: str, timestamp: str, text: str) -> str:
    """AWS's own description of the algorithm, for a second opinion on botocore's."""
    key = f"AWS4{secret}".encode()
    for part in (timestamp[:8], REGION, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


@dataclass
class Stream:
    """A client that signs each chunk over the one before."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    timestamp: str = field(default_factory=lambda: time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    seed: str = field(default_factory=lambda: secrets.token_hex(32))

    def chunked(self, *contents: bytes) -> tuple[bytes, str]:
        body, last = b"", self.seed
        for content in (*contents, b""):
            digest = hashlib.sha256(content).hexdigest()
            last = self._next("AWS4-HMAC-SHA256-PAYLOAD", last, f"{EMPTY}\n{digest}")
            body += f"{len(content):x};chunk-signature={last}\r\n".encode() + content + b"\r\n"
        return body, last

    def with_trailer(self, *contents: bytes) -> bytes:
        body, last = self.chunked(*contents)
        trailer = b"x-amz-checksum-crc32:AAAAAA==\n"
        signature = self._next(
            "AWS4-HMAC-SHA256-TRAILER", last, hashlib.sha256(trailer).hexdigest()
        )
        rest = trailer.strip() + f"\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
        return body.removesuffix(b"\r\n") + rest

    def _next(self, kind: str, last: str, rest: str) -> str:
        scope = f"{self.timestamp[:8]}/{REGION}/{SERVICE}/aws4_request"
        return signed(
            self.secret, self.timestamp, f"{kind}\n{self.timestamp}\n{scope}\n{last}\n{rest}"
        )

    def signing(self) -> Signing:
        claim = Claim(
            access_key="a-key", region=REGION, service=SERVICE, signature=self.seed, token="",
            signed_headers=frozenset({"host"}), timestamp=self.timestamp,
        )  # fmt: skip
        request = Request("PUT", "/bucket/key", "", (), (("host", "127.0.0.1:4566"),))
        return Signing(request, claim, self.secret)


def test_every_chunk_of_a_streamed_body_is_signed() -> None:
    stream = Stream()
    body, _ = stream.chunked(b"first" * 1000, b"second")
    check_payload(CHUNKED, body, "", stream.signing())
    for changed in (
        body.replace(b"second", b"secund"),
        body[: body.index(b"6;")] + body[body.rindex(b"0;") :],
        body[: body.rindex(b"0;")],
        body.replace(b";chunk-signature=", b";chunk-signature=0", 1),
        body.replace(b"6;chunk", b"-6;chunk"), body.replace(b"6;chunk", b"ffffffffff;chunk"),
        b"", b"first", b"5\r\nfirst\r\n0\r\n\r\n",
    ):  # fmt: skip
        with pytest.raises(RefusedError):
            check_payload(CHUNKED, changed, "", stream.signing())


def test_the_trailer_of_a_streamed_body_is_signed() -> None:
    stream = Stream()
    body = stream.with_trailer(b"content")
    check_payload(CHUNKED_WITH_TRAILER, body, "", stream.signing())
    for changed in (
        body.replace(b"AAAAAA==", b"BBBBBB=="),
        body[: body.index(b"x-amz-checksum")],
        stream.chunked(b"content")[0],
    ):
        with pytest.raises(RefusedError):
            check_payload(CHUNKED_WITH_TRAILER, changed, "", stream.signing())


def test_a_body_of_another_hash_is_refused() -> None:
    stream, digest = Stream(), hashlib.sha256(b"body").hexdigest()
    check_payload(digest, b"body", digest, stream.signing())
    with pytest.raises(RefusedError):
        check_payload(digest, b"other", hashlib.sha256(b"other").hexdigest(), stream.signing())
