"""A refusal in the words that the client of the service understands."""

import json
from collections.abc import Mapping
from html import escape

from local.aws.gate.request import RefusedError, Request

Response = tuple[int, list[tuple[bytes, bytes]], bytes]


def plain(reason: str) -> Response:
    """For what is no client of AWS: a browser, or somebody's curl."""
    return _response(f"refused: {reason}\n".encode(), "text/plain; charset=utf-8")


def in_its_protocol(refused: RefusedError, request: Request) -> Response:
    code, message = escape(refused.code), escape(refused.message)
    named = dict(request.headers)
    if "form" in named.get("content-type", ""):
        text = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return _response(f"<ErrorResponse>{text}</ErrorResponse>".encode(), "text/xml")
    if _is_s3(named):
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return _response(text.encode(), "application/xml")
    document = json.dumps({"__type": refused.code, "message": refused.message})
    kind = (b"x-amzn-errortype", refused.code.encode())
    return _response(document.encode(), "application/json", kind)


def _is_s3(headers: Mapping[str, str]) -> bool:
    """A presigned address is S3's, but for few."""
    authorization = headers.get("authorization", "")
    return "/s3/" in authorization or not (authorization or "x-amz-target" in headers)


def _response(body: bytes, kind: str, *more: tuple[bytes, bytes]) -> Response:
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body)), *more]
    return 403, headers, body
