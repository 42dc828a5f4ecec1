"""A door before a server that counts the bytes which go through it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_CHUNK = 1 << 16


@dataclass
class Counted:
    """`sent` to the server and `received` from it, in bytes, HTTP's own headers included."""

    url: str
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sent: int, received: int) -> None:
        with self.lock:
            self.sent += sent
            self.received += received


@contextmanager
def counting_proxy(port: int) -> Iterator[Counted]:
    """Count what goes to the server on this port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door = Door(listener.getsockname()[1], port, Counted(""))
        door.counted.url = f"http://127.0.0.1:{door.port}"
        threading.Thread(target=_serve, args=(listener, door), daemon=True).start()
        yield door.counted
        listener.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Door:
    """`port` is its own, `leads_to` the server's."""

    port: int
    leads_to: int
    counted: Counted

    def in_the_servers_name(self, data: bytes) -> bytes:
        """A request names the host that it is for, and the server wants to be that."""
        return data.replace(
            f"127.0.0.1:{self.port}".encode(), f"127.0.0.1:{self.leads_to}".encode()
        )


def _serve(listener: socket.socket, door: Door) -> None:
    with contextlib.suppress(OSError):  # the listener is closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_connect, args=(client, door), daemon=True).start()


def _connect(client: socket.socket, door: Door) -> None:
    with client, socket.create_connection(("127.0.0.1", door.leads_to)) as server:
        back = threading.Thread(target=_answer, args=(server, client, door), daemon=True)
        back.start()
        with contextlib.suppress(OSError):  # the server is gone
            for data in _chunks(client):
                door.counted.add(len(data), 0)
                server.sendall(door.in_the_servers_name(data))
        _end(server)
        back.join()


def _answer(server: socket.socket, client: socket.socket, door: Door) -> None:
    with contextlib.suppress(OSError):  # the client is gone
        for data in _chunks(server):
            door.counted.add(0, len(data))
            client.sendall(data)
    _end(client)


def _chunks(source: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # either side may end a connection
        while data := source.recv(_CHUNK):
            yield data


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
