"""Run the local W&B server until SIGTERM, SIGINT, or the end of its parent."""

import argparse
import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import uvicorn

from local.wandb_server.app import build_app
from local.wandb_server.faults import Faults
from local.wandb_server.graph.execution import schema
from local.wandb_server.keys import UnusableKeyError, load_api_key, load_signing_secret
from local.wandb_server.signing import Signer
from local.wandb_server.store.blobs import Blobs
from local.wandb_server.store.database import Database
from local.wandb_server.workspace import Workspace

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
CRASHED_AFTER = 300.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.wandb_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--data", type=Path, required=True, help="directory that keeps everything")
    parser.add_argument(
        "--api-key-file", type=Path, help="file with the key (default DATA/api-key)"
    )
    parser.add_argument(
        "--entity",
        action="append",
        help="entity that exists; the first is the key's own (default local)",
    )
    parser.add_argument(
        "--crashed-after",
        type=float,
        default=CRASHED_AFTER,
        metavar="SECONDS",
        help="silence after which a running run has crashed (default %(default)s)",
    )
    parser.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started it ends"
    )
    return parser.parse_args()


def _die_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent ends, were it by SIGKILL (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        sys.exit("the parent has ended already")


def _lock(data: Path) -> IO[str]:
    """Hold the directory while the file is open: two servers would mix up what is in it."""
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BlockingIOError(f"{data} is in use by another server") from None
    return lock


def _listen(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=256)
    # Accepted sockets inherit it. asyncio would set it, but not where the protocol number is 0, the
    # default; without it every small answer waits 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _workspace(arguments: argparse.Namespace, base_url: str) -> Workspace:
    data: Path = arguments.data
    return Workspace(
        database=Database(data / "wandb.db"),
        blobs=Blobs(data / "files"),
        signer=Signer(base_url, load_signing_secret(data)),
        clock=time.time,
        entities=tuple(arguments.entity or ["local"]),
        silent_after=arguments.crashed_after,
    )


class _Uvicorn(uvicorn.Server):
    """Says when it is ready, and leaves signals to `_serve`: being told to end is no failure."""

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._ready, flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: _Uvicorn, listener: socket.socket, faults: Faults) -> None:
    def end() -> None:
        server.should_exit = True
        faults.clear()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    await server.serve(sockets=[listener])


def main() -> int:
    arguments = _arguments()
    if arguments.die_with_parent:
        _die_with_parent()
    try:
        arguments.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(arguments.data)
        api_key = load_api_key(arguments.data, arguments.api_key_file)
        listener = _listen(arguments.port)
    except (OSError, UnusableKeyError) as error:
        print(f"wandb server: {error}", file=sys.stderr)
        return 1
    with lock, listener:
        base_url = f"http://{HOST}:{listener.getsockname()[1]}"
        workspace = _workspace(arguments, base_url)
        schema()  # built before the first client waits for it
        faults = Faults()
        config = uvicorn.Config(
            build_app(workspace, api_key, faults),
            access_log=False,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        asyncio.run(_serve(_Uvicorn(config, f"ready {base_url}"), listener, faults))
        workspace.database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
