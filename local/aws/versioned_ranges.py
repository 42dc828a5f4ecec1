"""A part of one version of an object, which MiniStack answers with the whole of it.

S3 answers GET with `versionId` and `Range` as any GET with `Range`: 206, the part, Content-Range
(GetObject; RFC 9110, 14.2). MiniStack 1.5.33 takes the range for current objects only. boto3 loads
what is larger than 8 MB in parts and looks at no status: each part was the whole object, and the
file, without an error, was something else.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

# S3 gives one range at most, and ignores what it cannot read.
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
OK, PARTIAL, NOT_SATISFIABLE = 200, 206, 416
# Those of the whole object: beside a part, a client would find them wrong.
CHECKSUM = b"x-amz-checksum-"
INVALID = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRange</Code><Message>The '
    b"requested range is not satisfiable</Message><ActualObjectSize>%d</ActualObjectSize></Error>"
)


def with_versioned_ranges(inner: Application) -> Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_range(scope)
        await inner(scope, receive, _Cut(asked, send).take if asked else send)

    return application


def asked_range(scope: Scope) -> str | None:
    """The range of a GET of one version; None of every other request."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    if "versionId" not in dict(parse_qsl(scope["query_string"].decode("latin-1"))):
        return None
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"range"]
    return given[0] if given and RANGE.fullmatch(given[0]) else None


def part_of(asked: str, size: int) -> range | None:
    """The bytes that a readable range means of so many; None where there are none of them."""
    first, last = asked.removeprefix("bytes=").split("-")
    if first:
        part = range(int(first), min(int(last) + 1 if last else size, size))
    else:
        part = range(max(0, size - int(last or 0)), size)
    return part or None


@dataclass
class _Cut:
    """Holds a whole object back until all of it is there, and sends the part of it."""

    asked: str
    send: Send
    start: Message | None = None
    body: list[bytes] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_object(message):
            self.start = message
        elif self.start is None:
            await self.send(message)
        else:
            self.body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._answer(self.start, b"".join(self.body))

    async def _answer(self, start: Message, whole: bytes) -> None:
        part = part_of(self.asked, len(whole))
        if part is None:
            content = INVALID % len(whole)
            kind = [(b"content-type", b"application/xml"), _content_range("*", len(whole))]
            message = {"type": start["type"], "status": NOT_SATISFIABLE, "headers": kind}
        else:
            content = whole[part.start : part.stop]
            where = _content_range(f"{part.start}-{part.stop - 1}", len(whole))
            kept = _of_any_part(start["headers"])
            message = {**start, "status": PARTIAL, "headers": [*kept, where]}
        message["headers"].append((b"content-length", b"%d" % len(content)))
        await self.send(message)
        await self.send({"type": "http.response.body", "body": content})


def _is_object(message: Message) -> bool:
    """Whether this is the answer with an object in it: MiniStack's others accept no ranges."""
    names = {name.lower() for name, _ in message["headers"]}
    return message["status"] == OK and b"accept-ranges" in names


def _of_any_part(headers: Iterable[Header]) -> list[Header]:
    whole = (b"content-length", CHECKSUM)
    return [pair for pair in headers if not pair[0].lower().startswith(whole)]


def _content_range(part: str, size: int) -> Header:
    return b"content-range", f"bytes {part}/{size}".encode()
