"""The gate itself: an ASGI application around another, which sees only what was let in."""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from local.aws.gate import refusals
from local.aws.gate.claim import read_claim
from local.aws.gate.keys import Keys
from local.aws.gate.payload import check_payload, declared_hash
from local.aws.gate.presigned import check_presigned, is_presigned
from local.aws.gate.request import RefusedError, Request
from local.aws.gate.signature import Signing
from local.door import Door

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/_ministack/health"
# MiniStack's own paths, and those of ours: not AWS, so no IAM policy is about them.
MINISTACK, OURS = ("/_ministack", "/_localstack", "/_aws"), "/_local/"
# No signature is for a body that nobody announced the hash of, beyond what AWS takes in one.
LARGEST_UNANNOUNCED = 128 << 20


class HungUpError(Exception):
    """The client went away before its body was there."""


@dataclass(frozen=True)
class Gate:
    inner: Application
    door: Door
    keys: Keys
    clock: Callable[[], float]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
        else:  # no WebSocket: nothing of ours speaks it, and a page of any origin may open one
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self.door.refusal(scope["method"], scope["headers"]) or _closed(scope["path"])
        if refusal is not None:
            await _answer(send, scope, refusals.plain(refusal))
        elif scope["path"] == HEALTH:
            await self.inner(scope, receive, _without_cors(send))
        else:
            await self._signed(scope, receive, send)

    async def _signed(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        try:
            body = await self._admitted(request, receive, ours=scope["path"].startswith(OURS))
        except RefusedError as refused:
            await _answer(send, scope, refusals.in_its_protocol(refused, request))
        except HungUpError:
            return
        else:
            await self.inner(scope, _replayed(body, receive), _without_cors(send))

    async def _admitted(self, request: Request, receive: Receive, *, ours: bool) -> bytes:
        """The body, once it is known that a key of this run signed the request with it."""
        if is_presigned(request) and not ours:
            key, token = request.argument("AWSAccessKeyId"), "x-amz-security-token"
            secret = self.keys.secret_of(key, request.argument(token) or request.header(token))
            check_presigned(request, secret, self.clock())
            return (await _read(receive))[0]
        claim = read_claim(request)
        claim.check_time(self.clock())
        signing = Signing(request, claim, self.keys.secret_of(claim.access_key, claim.token))
        if ours and claim.access_key != self.keys.root:
            raise RefusedError("AccessDenied", "Only the root user of this AWS may ask this.")
        declared = declared_hash(request, claim)
        if declared is None:
            body, digest = await _read(receive, LARGEST_UNANNOUNCED)
            signing.check(digest)
            return body
        signing.check(declared)
        body, digest = await _read(receive)
        check_payload(declared, body, digest, signing)
        return body


def _closed(path: str) -> str | None:
    """Paths that are nobody's business: they reset, configure or read without any key."""
    return "this path is closed" if path.startswith(MINISTACK) and path != HEALTH else None


async def _read(receive: Receive, limit: int | None = None) -> tuple[bytes, str]:
    """The body and its SHA-256, taken while it comes: a gigabyte at once would stop the server."""
    parts, hashed, length, more = [], hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise HungUpError
        part = message.get("body", b"")
        hashed.update(part)
        parts.append(part)
        length, more = length + len(part), message.get("more_body", False)
        if limit is not None and length > limit:
            raise RefusedError("RequestEntityTooLarge", "The body is too large.")
    return b"".join(parts), hashed.hexdigest()


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body once, and then what the client does, which is to go."""
    left = [body]

    async def received() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return received


def _without_cors(send: Send) -> Send:
    """No page of another origin may read an answer, whatever MiniStack says about it."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if not _is_cors(pair[0])]
            message = {**message, "headers": headers}
        await send(message)

    return sent


def _is_cors(name: bytes) -> bool:
    return name.lower().startswith(b"access-control-")


async def _answer(send: Send, scope: Scope, response: refusals.Response) -> None:
    status, headers, body = response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown})
