"""What every request passes first: who is it, is it counted, does a fault meet it."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.wandb_server.faults import Fault, Faults, Traffic

Handler = Callable[[Request], Awaitable[Response]]


def error_response(
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    **extensions: object,
) -> JSONResponse:
    """An error in the form of W&B's, from which the SDK takes its message."""
    error = {"message": message, **({"extensions": extensions} if extensions else {})}
    return JSONResponse({"errors": [error]}, status, headers)


def unauthorized() -> JSONResponse:
    return error_response(401, "user is not logged in", code="PERMISSION_ERROR")


def given_key(request: Request) -> str | None:
    """The password of HTTP Basic whose user is `api`."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if user == "api" else None


class Gate:
    def __init__(self, api_key: str, faults: Faults) -> None:
        self._api_key = api_key.encode()
        self.faults = faults

    def knows(self, request: Request) -> bool:
        key = given_key(request)
        return key is not None and hmac.compare_digest(key.encode(), self._api_key)

    def authenticated(self, handler: Handler) -> Handler:
        """Only with the key."""

        async def handle(request: Request) -> Response:
            return await handler(request) if self.knows(request) else unauthorized()

        return handle

    def exposed(self, handler: Handler) -> Handler:
        """Counted, and at the mercy of faults."""

        async def handle(request: Request) -> Response:
            failure = await self.fault(request)
            return await handler(request) if failure is None else failure

        return handle

    async def fault(
        self, request: Request, operation: str = "", fields: tuple[str, ...] = ()
    ) -> Response | None:
        """Count the request; the response of the fault that it meets, if it meets one."""
        agent = request.headers.get("user-agent", "")
        fault = self.faults.meet(Traffic(request.url.path, agent, operation, fields))
        if fault is not None and fault.kind == "slow":
            await self.faults.hold(fault.delay)
            return None
        if fault is not None and fault.kind == "trickle":
            request.state.bytes_per_second = fault.bytes_per_second
            return None
        return None if fault is None else _failure(fault)


def _failure(fault: Fault) -> Response:
    match fault.kind:
        case "unavailable":
            return error_response(503, "service unavailable")
        case "rate_limited":
            wait = str(fault.retry_after)
            limits = {"RateLimit-Limit": "60", "RateLimit-Remaining": "0", "RateLimit-Reset": wait}
            return error_response(429, "rate limit exceeded", {**limits, "Retry-After": wait})
        case "malformed":
            return Response('{"data": {"project": ', media_type="application/json")
        case "commit_conflict":
            return error_response(409, "conflict: artifact is being changed by another request")
        case _:
            return unauthorized()
