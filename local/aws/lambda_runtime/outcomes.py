"""How one invocation ends, in the shapes that Lambda gives."""

import json
from dataclasses import dataclass, field
from typing import Any

RESPONSE_LIMIT = 6_291_556


@dataclass(frozen=True)
class Invocation:
    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str


@dataclass(frozen=True)
class LogLine:
    milliseconds: int
    text: str


@dataclass(frozen=True)
class Ended:
    """The end of one invocation: `error` is None when the handler returned."""

    payload: bytes
    error: dict[str, Any] | None
    status: str | None
    seconds: float
    init_seconds: float | None
    peak_mb: int = 0
    lines: tuple[LogLine, ...] = field(default=())


def failure(error_type: str, request_id: str, message: str) -> dict[str, Any]:
    return {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}


def timed_out(request_id: str, seconds: float) -> dict[str, Any]:
    message = f"Task timed out after {seconds:.2f} seconds"
    return failure("Sandbox.Timedout", request_id, message)


def exited(request_id: str, code: int) -> dict[str, Any]:
    return failure("Runtime.ExitError", request_id, exit_text(code))


def exit_text(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        return "Runtime exited with error: signal: killed"
    return f"Runtime exited with error: exit status {code}"


def too_large(length: int) -> dict[str, Any]:
    return {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": f"Response payload size ({length} bytes) exceeded maximum allowed payload "
        f"size ({RESPONSE_LIMIT} bytes).",
    }


def parsed(body: bytes) -> dict[str, Any]:
    """The error document that the runtime posted."""
    document = json.loads(body)
    return document if isinstance(document, dict) else {"errorMessage": str(document)}
