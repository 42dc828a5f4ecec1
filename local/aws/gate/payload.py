"""Whether a body is the one that was signed."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from local.aws.gate.claim import Claim
from local.aws.gate.request import RefusedError, Request
from local.aws.gate.signature import MISMATCH, S3, Signing, same

UNSIGNED = frozenset({"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
DIGEST = re.compile(r"[0-9a-f]{64}")
CHUNK_MARK = b";chunk-signature="
TRAILER_MARK = b"x-amz-trailer-signature:"
LINE = b"\r\n"
EMPTY = hashlib.sha256(b"").hexdigest()


def declared_hash(request: Request, claim: Claim) -> str | None:
    """What the request says its payload is; None where only the body itself can tell."""
    declared = request.header("x-amz-content-sha256")
    if not declared:
        return "UNSIGNED-PAYLOAD" if claim.expires is not None and claim.service == S3 else None
    if DIGEST.fullmatch(declared):
        return declared
    if claim.service == S3 and declared in {*UNSIGNED, CHUNKED, CHUNKED_WITH_TRAILER}:
        return declared
    raise RefusedError("InvalidRequest", "x-amz-content-sha256 names no way to sign a payload.")


def check_payload(declared: str, body: bytes, digest: str, signing: Signing) -> None:
    if declared in UNSIGNED:
        return
    if declared in {CHUNKED, CHUNKED_WITH_TRAILER}:
        chain = Chain(signing, signing.seed)
        _check_chunks(body, chain, with_trailer=declared == CHUNKED_WITH_TRAILER)
    elif declared != digest:
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise RefusedError("XAmzContentSHA256Mismatch", message)


@dataclass
class Chain:
    """Signatures of which each covers the one before it; the first is the request's own."""

    signing: Signing
    last: str

    def check(self, kind: str, content: str, given: bytes) -> None:
        signing = self.signing
        text = f"{kind}\n{signing.timestamp}\n{signing.scope}\n{self.last}\n{content}"
        self.last = signing.sign(text)
        if not same(self.last, given.decode("latin-1").strip()):
            raise RefusedError("SignatureDoesNotMatch", MISMATCH)


def _check_chunks(body: bytes, chain: Chain, *, with_trailer: bool) -> None:
    rest = 0
    for content, given, rest in _chunks(body):  # noqa: B007 - where the last one ends
        parts = f"{EMPTY}\n{hashlib.sha256(content).hexdigest()}"
        chain.check("AWS4-HMAC-SHA256-PAYLOAD", parts, given)
    if with_trailer:
        trailer, _, given = body[rest:].partition(TRAILER_MARK)
        told = b"".join(b"%s\n" % line for line in trailer.split() if line)
        chain.check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(told).hexdigest(), given)


def _chunks(body: bytes) -> Iterator[tuple[memoryview, bytes, int]]:
    """Content, signature and end of each chunk; the last, which is empty, must be there."""
    at, size = 0, 1
    while size:
        line, found, _ = body[at : at + 256].partition(LINE)
        length, mark, given = line.partition(CHUNK_MARK)
        if not (found and mark and re.fullmatch(rb"[0-9a-fA-F]{1,16}", length)):
            raise RefusedError("IncompleteBody", "The request body is not signed in chunks.")
        size, start = int(length, 16), at + len(line) + len(LINE)
        at = start + size + (len(LINE) if size else 0)
        yield memoryview(body)[start : start + size], given, at
