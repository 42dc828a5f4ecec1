"""Serves MiniStack with our SageMaker in it, on one loopback port, until it is told to end.

Imported only after `__main__` has set MiniStack's environment: it reads its settings on import.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from local.aws import filter_patterns, managed_keys
from local.aws.gate import Gate, Keys
from local.aws.sagemaker import admin, endpoint
from local.aws.sagemaker.containers import world_of_several_hosts
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.emulator import Emulator
from local.aws.sagemaker.settings import Settings
from local.aws.sagemaker.storage import warm_up
from local.aws.versioned_ranges import with_versioned_ranges
from local.door import Door

EVENT_PATH = "local.aws.event_path"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def run(listener: socket.socket, settings: Settings, keys: Keys, parent: int | None) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the parent; then leave nothing behind."""
    asyncio.run(_run(listener, settings, keys, parent))


async def _run(listener: socket.socket, settings: Settings, keys: Keys, parent: int | None) -> None:
    door = Door(listener.getsockname()[1])
    over = asyncio.Event()
    _end_on_signals(over)
    if parent is not None:
        _end_with(parent, over)
    control = ControlPlane(settings, Emulator(asyncio.get_running_loop()))
    if importlib.util.find_spec(EVENT_PATH):
        importlib.import_module(EVENT_PATH).install(settings.doubts)
    filter_patterns.install()
    managed_keys.install()
    endpoint.install(control)
    threading.Thread(target=_prepare, args=(settings,), daemon=True).start()
    serving = asyncio.ensure_future(
        serve(
            cast("Any", Gate(_application(control), door, keys, time.time)),
            _config(listener),
            shutdown_trigger=over.wait,
        )
    )
    await over.wait()
    await asyncio.to_thread(control.stop_all)
    await serving
    if settings.temporary:
        shutil.rmtree(settings.data, ignore_errors=True)
    # MiniStack's own threads may still wait for something; nothing of theirs is worth that.
    os._exit(0)


def _prepare(settings: Settings) -> None:
    """Do what the first job would otherwise wait for."""
    world_of_several_hosts(namespaces=settings.namespaces)
    warm_up()


def _end_on_signals(over: asyncio.Event) -> None:
    def end() -> None:
        if over.is_set():
            os._exit(1)  # asked twice: now
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


def _end_with(parent: int, over: asyncio.Event) -> None:
    """End when the parent does; PR_SET_PDEATHSIG would follow the thread that started us."""
    if os.getppid() != parent:
        over.set()
        return
    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        loop.add_reader(os.pidfd_open(parent), over.set)
    else:
        threading.Thread(target=_await_orphanhood, args=(parent, loop, over), daemon=True).start()


def _await_orphanhood(parent: int, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    loop.call_soon_threadsafe(over.set)


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.3
    config.loglevel = "WARNING"
    return config


def _application(
    control: ControlPlane,
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Put our own paths in front of MiniStack's, and say when it is ready."""
    ministack = with_versioned_ranges(app)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/_local/sagemaker/"):
            await _admin(control, scope, receive, send)
        elif scope["type"] == "lifespan":
            await ministack(scope, receive, _announcing(send, control.settings.endpoint))
        else:
            await ministack(scope, receive, send)

    return application


def _announcing(send: Send, address: str) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            print(f"ready {address}", flush=True)
            # Nobody need read on after that line: what others print must not fill the pipe.
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    return sent


async def _admin(control: ControlPlane, scope: Scope, receive: Receive, send: Send) -> None:
    """The gate has let in nobody but the root user, and gives the body in one piece."""
    body = (await receive())["body"]
    status, answer = admin.handle(control, scope["method"], scope["path"], body)
    content = json.dumps(answer).encode()
    kind = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": kind})
    await send({"type": "http.response.body", "body": content})
