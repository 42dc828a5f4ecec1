"""A real HTTP server that answers as it is told to, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST_SILENCE = 10.0


@dataclass(frozen=True)
class Reply:
    """One answer; `silent` holds it back until the client has gone, `cut` ends the connection.

    The body comes `times` times over. `drip` is how many seconds pass between two bytes: of the
    body, or of headers that never end.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    cut: bool = False
    times: int = 1
    drip: float = 0
    drip_headers: bool = False


Script = Reply | Callable[[bytes], Reply]


@dataclass
class Answering:
    """Gives these replies in turn, the last one again and again."""

    url: str
    replies: list[Script]
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def reply(self, *replies: Script) -> None:
        """Start anew with these."""
        self.over.set()
        self.replies, self.asked, self.over = list(replies), [], threading.Event()

    def next_reply(self, body: bytes) -> Reply:
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Reply) else reply(body)


def reply_json(status: int, content: Any) -> Reply:  # noqa: ANN401 — JSON
    return Reply(status, json.dumps(content).encode())


def aws_error(code: str, message: str = "", status: int = 400) -> Reply:
    """An error as the JSON protocol of AWS has it."""
    return reply_json(status, {"__type": code, "message": message})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Answering

    def handle(self) -> None:
        with suppress(ConnectionResetError):  # a client that gave up between two requests
            super().handle()

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.told.asked.append((dict(self.headers), body))
        reply = self.told.next_reply(body)
        if reply.silent:
            self.told.over.wait(_LONGEST_SILENCE)
        if reply.silent or reply.cut:
            self.close_connection = True
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # the client has seen enough
            self._say(reply)

    def _say(self, reply: Reply) -> None:
        self.send_response(reply.status)
        if reply.drip_headers:
            self.flush_headers()
            self._drip(b"X-More: " + b"x" * 60_000, reply.drip)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) * reply.times))
        self.end_headers()
        for _ in range(reply.times):
            self._drip(reply.body, reply.drip)

    def _drip(self, content: bytes, pause: float) -> None:
        for chunk in (content[at : at + 1] for at in range(len(content))) if pause else (content,):
            self.wfile.write(chunk)
            if pause and self.told.over.wait(pause):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(*replies: Script) -> Iterator[Answering]:
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        told = Answering(f"http://127.0.0.1:{server.server_port}", list(replies))
        handler.told = told  # type: ignore[attr-defined]  # of the class made here
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told
        finally:
            told.over.set()
            server.shutdown()
            thread.join()
