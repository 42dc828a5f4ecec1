"""A network on the loopback: TCP with a round trip of one's choice, and a record of exchanges.

Threads rather than an event loop, because a thread sleeps to within a tenth of a millisecond and
an event loop to within one or two.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

from bench.exchanges import Exchange, name_of

_CHUNK = 1 << 16
_HEAD = 4096  # enough of a request to know its operation

Chunk = tuple[float, bytes]


@dataclass(slots=True)
class Network:
    """What all connections share."""

    round_trip: float = 0.0
    finished: list[Exchange] = field(default_factory=list)
    connections: list["Connection"] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> list[Exchange]:
        """Return the exchanges since the last call; one that has begun to be answered counts."""
        with self.lock:
            taken, self.finished = self.finished, []
            for connection in self.connections:
                if (done := connection.finish()) is not None:
                    taken.append(done)
            return taken


@dataclass(slots=True)
class Connection:
    """The exchange that goes on in one connection: HTTP/1.1 without pipelining has one at most."""

    network: Network
    request: bytearray = field(default_factory=bytearray)
    began: float = 0.0
    answered: float = 0.0

    def asked(self, data: bytes) -> None:
        with self.network.lock:
            if self.answered and (done := self.finish()) is not None:
                self.network.finished.append(done)
            if not self.request:
                self.began = time.monotonic()
            if len(self.request) < _HEAD:
                self.request += data[:_HEAD]

    def answer(self) -> None:
        with self.network.lock:
            self.answered = time.monotonic()

    def finish(self) -> Exchange | None:
        """Close the exchange if it has been answered; the caller holds the network's lock."""
        if not self.request or not self.answered:
            return None
        done = Exchange(name_of(bytes(self.request)), self.began, self.answered)
        self.request, self.answered = bytearray(), 0.0
        return done


def serve(listener: socket.socket, upstream: tuple[str, int], network: Network) -> None:
    """Carry every connection to `upstream`, on threads that end with the process."""

    def accept() -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(upstream)
            _carry(near, far, network)

    _start(accept)


def _carry(near: socket.socket, far: socket.socket, network: Network) -> None:
    connection = Connection(network)
    with network.lock:
        network.connections.append(connection)
    for one in (near, far):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # On a real network nothing is sent before the handshake's round trip; on the loopback that
    # took no time, so the first bytes make up for it. TLS would add one or two more.
    opened = time.monotonic() + network.round_trip
    _pump(near, far, network, opened, connection.asked, lambda: None)
    _pump(far, near, network, 0.0, lambda _: None, connection.answer)


def _pump(  # noqa: PLR0913, PLR0917 — both ends, and what is noted at each
    source: socket.socket,
    sink: socket.socket,
    network: Network,
    not_before: float,
    received: Callable[[bytes], None],
    sent: Callable[[], None],
) -> None:
    """Carry one direction: each chunk half a round trip late, chunks not after one another."""
    chunks: SimpleQueue[Chunk] = SimpleQueue()

    def read() -> None:
        data = b"-"
        while data:
            data = _receive(source)
            if data:
                received(data)
            chunks.put((max(time.monotonic(), not_before) + network.round_trip / 2, data))

    def write() -> None:
        while True:
            due, data = chunks.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data or not _send(sink, data, sent):
                _close(sink)
                return

    _start(read)
    _start(write)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(_CHUNK)
    except OSError:
        return b""


def _send(sink: socket.socket, data: bytes, sent: Callable[[], None]) -> bool:
    # Noted before it is sent: the receiver may ask its next question at once.
    sent()
    try:
        sink.sendall(data)
    except OSError:
        return False
    return True


def _close(sink: socket.socket) -> None:
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
