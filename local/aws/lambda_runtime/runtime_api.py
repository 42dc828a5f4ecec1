"""The Lambda Runtime API for one execution environment, without a thread of its own.

Between invocations nobody reads: the runtime's next request waits in the socket, as its process
waits for the answer. Whoever invokes the environment drives this object (`serve`).

Its address ends in a secret that only the function's process is given: whoever answers in its
place would decide what the function returned. AWS has no such secret and no other process either.
"""

import hmac
import secrets
import selectors
import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import h11

from local.door import Door

PREFIX = "/2018-06-01/runtime"
READ_BYTES = 1 << 16

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Call:
    """One complete request of the runtime."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: "Client" = field(repr=False)


@dataclass(frozen=True)
class Admission:
    """Who may speak: whoever knows the secret, and is no browser."""

    door: Door
    prefix: bytes

    def path(self, request: h11.Request) -> str | None:
        """The path of the Runtime API that is asked for; None for a stranger."""
        asked, length = request.target, len(self.prefix)
        known = hmac.compare_digest(asked[:length], self.prefix)
        refused = self.door.refusal(request.method.decode(), request.headers)
        return asked[length:].decode("latin-1") if known and refused is None else None


class Client:
    """One connection of the runtime."""

    def __init__(self, connected: socket.socket, admission: Admission) -> None:
        # Without it an answer of two segments waits 40 ms for the acknowledgement of the first.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._admission = admission
        self._request: h11.Request | None = None
        self._path = ""
        self._body = bytearray()

    def read(self) -> list[Call] | None:
        """Requests completed by what has arrived; None when it hung up, or is a stranger."""
        try:
            received = self.socket.recv(READ_BYTES)
            if not received:
                return None
            self._protocol.receive_data(received)
            return list(self._completed())
        except (ConnectionError, h11.RemoteProtocolError):
            return None

    def _completed(self) -> Iterable[Call]:
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                yield self._call()
            else:
                return

    def _begin(self, request: h11.Request) -> None:
        path = self._admission.path(request)
        if path is None:
            self.answer(403, [], b"")
            raise ConnectionRefusedError("not the runtime of this environment")
        self._request, self._path, self._body = request, path, bytearray()

    def _call(self) -> Call:
        request = self._request
        if request is None:
            raise h11.RemoteProtocolError("a body without a request")
        headers = {key.decode().lower(): value.decode() for key, value in request.headers}
        return Call(request.method.decode(), self._path, headers, bytes(self._body), self)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        length = ("Content-Length", str(len(body)))
        head = self._protocol.send(
            h11.Response(status_code=status, headers=[*headers, length], reason=b"")
        )
        data = self._protocol.send(h11.Data(data=body))
        end = self._protocol.send(h11.EndOfMessage())
        # One write: the head must not travel alone.
        self.socket.sendall(b"".join(part for part in (head, data, end) if part))
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()


class RuntimeApi:
    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._listener = socket.create_server(("127.0.0.1", 0))
        secret = secrets.token_urlsafe(24)
        self.address = f"127.0.0.1:{self._port}/{secret}"
        self._admission = Admission(Door(self._port), f"/{secret}".encode())
        self._clients: set[Client] = set()
        self.calls: deque[Call] = deque()
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def _port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        connected, _ = self._listener.accept()
        client = Client(connected, self._admission)
        self._clients.add(client)
        self._selector.register(connected, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: Client) -> None:
        completed = client.read()
        if completed is None:
            self._drop(client)
        else:
            self.calls.extend(completed)

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.socket)
        client.socket.close()

    def close(self) -> None:
        for client in tuple(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
