"""A real HTTP server that answers as it is told to, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST_SILENCE = 10.0


@dataclass(frozen=True)
class Reply:
    """One answer; `silent` holds it back until the client has gone, `cut` ends the connection."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    cut: bool = False


@dataclass
class Answering:
    """Gives these replies in turn, the last one again and again."""

    url: str
    replies: list[Reply]
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def reply(self, *replies: Reply) -> None:
        """Start anew with these."""
        self.over.set()
        self.replies, self.asked, self.over = list(replies), [], threading.Event()

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def reply_json(status: int, content: Any) -> Reply:  # noqa: ANN401 — JSON
    return Reply(status, json.dumps(content).encode())


def aws_error(code: str, message: str = "", status: int = 400) -> Reply:
    """An error as the JSON protocol of AWS has it."""
    return reply_json(status, {"__type": code, "message": message})


@contextmanager
def answering(*replies: Reply) -> Iterator[Answering]:
    told: list[Answering] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told[0].asked.append((dict(self.headers), body))
            reply = told[0].next_reply()
            if reply.silent:
                told[0].over.wait(_LONGEST_SILENCE)
            if reply.silent or reply.cut:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.append(Answering(f"http://127.0.0.1:{server.server_port}", list(replies)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told[0]
        finally:
            told[0].over.set()
            server.shutdown()
            thread.join()
