"""The command as a process that the wrapper starts, listens to and ends."""

from __future__ import annotations

import logging
import os
import signal
import subprocess  # nosec B404
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resilient_training.run.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = logging.getLogger(__name__)

_KEEPER = Path(__file__).with_name("keeper.py")
_CHUNK = 65536
_DRAIN_SECONDS = 5.0
# Longer than the keeper tries to kill; then the wrapper goes on without what cannot be killed.
KILL_SECONDS = 15.0
# For the service of W&B of a training that was killed, which still sends the last rows.
GRACE_SECONDS = 3.0


class CannotStartError(Exception):
    """There is no such program, or it cannot be run."""


class Child(Protocol):
    """The command that runs."""

    @property
    def code(self) -> int | None:
        """As subprocess has it, negative for a signal; None: it, or what it started, still runs."""

    @property
    def heard_at(self) -> float:
        """When it last wrote anything, by the monotonic clock, in seconds."""

    @property
    def lines(self) -> list[str]:
        """The last lines of its output, then those of its error output."""

    def terminate(self) -> None:
        """Send SIGTERM to the leader alone: torchrun tells its workers itself."""

    def kill(self) -> None:
        """Kill it and all that it started."""


@dataclass
class _Stream:
    """Hands on what the command writes, unchanged and at once, and keeps the last lines."""

    name: str
    source: int
    target: int
    heard: Callable[[], None]
    tail: Tail

    def pump(self) -> None:
        wanted = True
        while some := os.read(self.source, _CHUNK):
            self.heard()
            self.tail.add(some)
            wanted = wanted and self._hand_on(some)
        os.close(self.source)

    def _hand_on(self, some: bytes) -> bool:
        """False: nobody reads any longer. The command must not be blocked by that, nor die."""
        try:
            while some:
                some = some[os.write(self.target, some) :]
        except OSError as error:
            _log.warning("the %s of the command cannot be written on: %s", self.name, error)
            return False
        return True


class RunningChild:
    """A command under its keeper (keeper.py).

    `terminate` and `kill` may be called from a signal handler or another thread: they write to a
    pipe that stays open for as long as this process lives. Standard input is empty.

    Args:
        command: What is started, and what it is given.
        environment: All of the command's environment.
        grace: Seconds that the rest has to end after the leader has.
        clock: Of `heard_at`.
        targets: File descriptors that its output and its error output are handed on to.

    Raises:
        CannotStartError: there is no such program, or it cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        targets: tuple[int, int] = (1, 2),
    ) -> None:
        self._clock = clock
        self._heard_at = clock()
        self._code: int | None = None
        self._tails = (Tail(), Tail())
        self._process, ours = _start_keeper(command, environment, grace)
        self._orders = ours.orders
        self._pumps = [
            _started(_Stream("output", ours.out, targets[0], self._hear, self._tails[0])),
            _started(_Stream("error output", ours.err, targets[1], self._hear, self._tails[1])),
        ]
        self._report = os.fdopen(ours.report, "r")
        said = self._report.readline().strip()
        if said != "started":
            self._process.wait()
            raise CannotStartError(said or "the command's keeper ended before the command began")

    def _hear(self) -> None:
        self._heard_at = self._clock()

    @property
    def heard_at(self) -> float:
        return self._heard_at

    @property
    def lines(self) -> list[str]:
        return [line for tail in self._tails for line in tail.lines]

    @property
    def code(self) -> int | None:
        if self._code is None and self._process.poll() is not None:
            self._code = self._reported()
            for pump in self._pumps:
                pump.join(_DRAIN_SECONDS)
        return self._code

    def _reported(self) -> int:
        with self._report:
            said = self._report.read()
        if said.startswith("exit "):
            return int(said.removeprefix("exit "))
        _log.error("the command's keeper was killed, and the command with it")
        return -signal.SIGKILL

    def terminate(self) -> None:
        self._order(b"t")

    def kill(self) -> None:
        self._order(b"k")

    def _order(self, letter: bytes) -> None:
        if self._code is not None:
            return
        try:
            os.write(self._orders, letter)
        except BrokenPipeError:
            return  # it has ended


@dataclass(frozen=True)
class _Ours:
    """This process's ends of the keeper's pipes."""

    orders: int
    report: int
    out: int
    err: int


def _start_keeper(
    command: Sequence[str], environment: Mapping[str, str], grace: float
) -> tuple[subprocess.Popen[bytes], _Ours]:
    orders, to_orders = os.pipe()
    report, to_report = os.pipe()
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    keeper = [sys.executable, "-I", "-S", str(_KEEPER), str(to_report), str(grace), "--"]
    process = subprocess.Popen(  # noqa: S603  # nosec B603 - the user's own command
        [*keeper, *command],
        env=dict(environment),
        stdin=orders,
        stdout=to_out,
        stderr=to_err,
        pass_fds=[to_report],
        start_new_session=True,
    )
    for end in (orders, to_report, to_out, to_err):
        os.close(end)
    return process, _Ours(to_orders, report, out, err)


def _started(stream: _Stream) -> threading.Thread:
    thread = threading.Thread(target=stream.pump, name=f"pump {stream.name}", daemon=True)
    thread.start()
    return thread
