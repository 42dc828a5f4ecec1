"""Starts containers and hears of their ends: the server's side of `supervisor.py`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from local.aws.sagemaker.command import Command
from local.aws.sagemaker.inbox import Exited
from local.aws.sagemaker.opt_ml import OPT_ML
from local.aws.sagemaker.supervisor import EXIT_BY_SIGNAL, LENGTH
from local.isolation import Isolation, Mount, Placement

SUPERVISOR = Path(__file__).with_name("supervisor.py")
KILLED = EXIT_BY_SIGNAL + 9
ALONE = Placement()
HOSTS_FILE = "/etc/hosts"
# From the most private world to the least; the first that the kernel grants is taken.
WORLDS = (
    Isolation(pid=True, mount=True),
    Isolation(pid=True, mount=True, user=True),
    Isolation(pid=True),
    Isolation(pid=True, user=True),
    Isolation(),
)


class Container:
    """One running container; commands are one byte each, and closing the pipe kills it."""

    def __init__(
        self, command: Command, root: Path, isolation: Isolation, placement: Placement = ALONE
    ) -> None:
        said, status = os.pipe()
        orders, ordered = os.pipe()
        self.output, output = os.pipe()
        self._status = os.fdopen(said, encoding="utf-8")
        self._orders = os.fdopen(ordered, "wb", buffering=0)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(status)],
            stdin=orders,
            stdout=output,
            stderr=output,
            pass_fds=(status,),
            start_new_session=True,
            env={},
        )
        for theirs in (status, orders, output):
            os.close(theirs)
        self.pid = self._process.pid
        self._order(_specification(command, root, isolation, placement))

    def ask(self) -> None:
        self._order(b"t")

    def ask_all(self) -> None:
        self._order(b"a")

    def freeze(self) -> None:
        """Stop every process where it is, as a host does for others whose network is dead."""
        self._order(b"f")

    def thaw(self) -> None:
        self._order(b"c")

    def kill(self) -> None:
        self._order(b"k")

    def _order(self, command: bytes) -> None:
        try:
            while command:
                command = command[self._orders.write(command) :]
        except (BrokenPipeError, ValueError):  # it has ended by itself, or is closed already
            return

    def wait(self) -> Exited:
        """Wait until the whole process tree is gone."""
        said = self._status.read().splitlines()
        self._process.wait()
        return _ended(said)

    def join(self, seconds: float) -> None:
        """Give it that long to be gone."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def let_go(self) -> None:
        """Do what the end of the server does: the container is killed."""
        self._orders.close()

    def close(self) -> None:
        self._orders.close()
        self._status.close()
        os.close(self.output)


def _specification(
    command: Command, root: Path, isolation: Isolation, placement: Placement
) -> bytes:
    document = json.dumps(
        {
            "argv": command.argv,
            "env": command.environment,
            "cwd": command.cwd,
            "opt_ml": str(root),
            "isolation": asdict(isolation),
            "placement": asdict(placement),
        }
    ).encode()
    return b"%0*d" % (LENGTH, len(document)) + document


def _ended(said: list[str]) -> Exited:
    for line in said:
        if line.startswith("cannot start: "):
            return Exited(KILLED, not_started=line.removeprefix("cannot start: "))
    codes = [int(line.removeprefix("exit ")) for line in said if line.startswith("exit ")]
    # A supervisor that says nothing was itself killed, and its container with it.
    return Exited(codes[0] if codes else KILLED)


def watch(container: Container, told: Callable[[Exited], None]) -> threading.Thread:
    thread = threading.Thread(target=lambda: told(container.wait()), daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True)
class World:
    """What this machine's kernel grants: the isolation, and where a container finds its files."""

    isolation: Isolation

    def base(self, root: Path) -> str:
        return OPT_ML if self.isolation.mount else str(root)


@lru_cache
def world(*, namespaces: bool = True) -> World:
    """Try the worlds with a container that does nothing; without namespaces there is one."""
    if not namespaces:
        return World(Isolation())
    for isolation in WORLDS:
        if isolation.mount and not _mount_point_exists():
            continue
        if isolation == Isolation() or _grants(isolation):
            return World(isolation)
    return World(Isolation())


@lru_cache
def world_of_several_hosts(*, namespaces: bool = True) -> World | None:
    """The world in which a container has a name and addresses of its own; None: there is none."""
    isolation = replace(world(namespaces=namespaces).isolation, uts=True)
    probed = Placement("algo-1", (Mount(HOSTS_FILE, HOSTS_FILE),))
    return World(isolation) if isolation.mount and _grants(isolation, probed) else None


def _mount_point_exists() -> bool:
    """Have the empty directory that each job's own is laid over, if this user may make it."""
    try:
        Path(OPT_ML).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True


def _grants(isolation: Isolation, placement: Placement = ALONE) -> bool:
    probe = Command(argv=["true"], environment={"PATH": os.defpath}, cwd="/", toolkit=False)
    somewhere = Path("/tmp")  # noqa: S108 - bound, never written
    container = Container(probe, somewhere, isolation, placement)
    try:
        return container.wait() == Exited(0)
    finally:
        container.close()
