"""The network between a measured process and the local services, in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from bench.exchanges import Exchange
from local.stack import REPOSITORY

_SETTLE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class SlowNetwork:
    """`urls` lead to the same services as the ones it was started with, by way of the network."""

    urls: Mapping[str, str]
    _asks: IO[str]
    _answers: IO[str]

    def set_round_trip(self, seconds: float) -> None:
        self._command(f"rtt {seconds}")

    def take(self) -> list[Exchange]:
        """Return the exchanges since the last call, in the order of their beginnings."""
        time.sleep(_SETTLE_SECONDS)  # the last answer may still be on its way to the record
        taken = [Exchange(*one) for one in self._command("take")]
        return sorted(taken, key=lambda exchange: exchange.began)

    def _command(self, line: str) -> Any:  # noqa: ANN401 — JSON
        self._asks.write(line + "\n")
        self._asks.flush()
        return json.loads(self._answers.readline())


@contextmanager
def slow_network(services: Mapping[str, str]) -> Iterator[SlowNetwork]:
    """Start it in front of these URLs; it ends with the block."""
    upstreams = [f"{name}={urlsplit(url).netloc}" for name, url in services.items()]
    command = [sys.executable, "-m", "bench.network", *upstreams]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who then end it
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the network was started without pipes")
            addresses = json.loads(process.stdout.readline())
            urls = {name: f"http://{address}" for name, address in addresses.items()}
            yield SlowNetwork(urls, process.stdin, process.stdout)
        finally:
            process.kill()
