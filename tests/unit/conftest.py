"""Properties are the same on every machine: the same examples, and no clock that could fail one."""

import os
import socket
from collections.abc import Callable

import pytest
from hypothesis import settings

settings.register_profile("resilience", deadline=None, derandomize=True, database=None)
# `make test PROFILE=random` looks at other examples on each run.
settings.register_profile("random", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "resilience"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of pure code that opens a connection is a test of something else."""
    connect: Callable[[socket.socket, object], None] = socket.socket.connect

    def only_on_this_machine(own: socket.socket, address: object) -> None:
        if own.family == socket.AF_UNIX or _is_loopback(address):
            return connect(own, address)
        raise AssertionError(f"a unit test connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", only_on_this_machine)


def _is_loopback(address: object) -> bool:
    host = address[0] if isinstance(address, tuple) else ""
    return host in {"127.0.0.1", "::1", "localhost"}
