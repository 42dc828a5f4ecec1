"""The parent of the command: kills all that the command started when it has to, and tells how.

A program of its own (`python -I -S keeper.py FD GRACE -- command…`) that needs nothing but the
standard library. Killing the command's process group is not enough: torchrun starts each worker in
a session of its own (torch 2.13), and mpirun each process in a group of its own. So the keeper is
the reaper of its descendants (PR_SET_CHILD_SUBREAPER): whatever they do, they stay below it. It is
a program and no thread of the wrapper because it forks: nothing may hold a lock then. It also ends
the command when the wrapper is gone: then its standard input ends.

Standard input takes one letter for each order: `t` sends SIGTERM to the leader alone, `k` kills
all; its end kills all too. File descriptor FD gets two lines, `started` and `exit CODE`, which is
negative for a signal; or one, `cannot start: WHY`. GRACE is how many seconds the rest has to end
after the leader has.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_NOT_STARTED = 127
_POLL_SECONDS = 0.02
# A process in a system call that does not return (a network file system that is gone) stays.
_KILL_SECONDS = 10.0
_LINUX = sys.platform == "linux"


def prctl(option: int, value: int) -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(option, value)


def descendants(root: int) -> list[int]:
    """All live processes below `root`; where there is no /proc, none."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir() if _LINUX else ():
        parent = _live_parent(entry) if entry.name.isdecimal() else None
        if parent is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for one in found:
        found.extend(children.get(one, ()))
    return found[1:]


def _live_parent(entry: Path) -> int | None:
    try:
        # The name of the program, in brackets, may hold anything.
        state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None  # it has ended meanwhile
    return None if state in "ZX" else int(parent)


@dataclass
class Leader:
    """The process of the command itself; `code` is None as long as it runs."""

    pid: int
    code: int | None = None

    def reap(self) -> None:
        """Collect whoever has ended; the orphans of the command are ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.code = os.waitstatus_to_exitcode(status)

    def send(self, number: int) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def kill_all(self) -> None:
        """Kill the command and all below it, however fast they fork."""
        deadline = time.monotonic() + _KILL_SECONDS
        while self._kill_once() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 10)
            self.reap()

    def _kill_once(self) -> bool:
        left = descendants(os.getpid()) or ([] if self.code is not None else [self.pid])
        for pid in left:
            _kill(pid)
        if not _LINUX:
            _kill(-self.pid)
        return bool(left)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or has become somebody else


def start(command: list[str]) -> Leader:
    """Start the command in a process group of its own.

    Raises:
        OSError: there is no such program, or it cannot be run.
    """
    reading, writing = os.pipe()  # closed by exec; until then the reason why there was none
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(_NOT_STARTED)  # the keeper died before the line above
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # ours brings the wrapper's orders
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec would keep that
        try:
            os.execvp(command[0], command)  # noqa: S606  # nosec B606 - as given
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        os._exit(_NOT_STARTED)
    os.close(writing)
    with os.fdopen(reading) as why:
        said = why.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(int(said), os.strerror(int(said)), command[0])
    return Leader(pid)


def keep(leader: Leader, grace: float) -> int:
    """Obey the wrapper until the leader has ended and nobody is left; gives its exit code."""
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    leader.reap()
    while leader.code is None:
        ready, _, _ = select.select([0, wakeup], [], [])
        if wakeup in ready:
            os.read(wakeup, 512)
        if 0 in ready and not obey(leader):
            grace = 0.0
            leader.kill_all()
        leader.reap()
    _wait_for_the_rest(leader, grace)
    leader.kill_all()
    return leader.code


def obey(leader: Leader) -> bool:
    """Do as the wrapper says; False: all is to be killed, by its word or because it is gone."""
    if os.read(0, 1) != b"t":
        return False
    leader.send(signal.SIGTERM)
    return True


def _wait_for_the_rest(leader: Leader, grace: float) -> None:
    """What was started to bring home the last rows gets the time; a training that goes on not."""
    deadline = time.monotonic() + grace
    while descendants(os.getpid()) and time.monotonic() < deadline:
        ready, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if ready and os.read(0, 1) != b"t":
            return
        leader.reap()


def main() -> None:
    report, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[4:]
    os.set_inheritable(report, False)  # noqa: FBT003 - of the standard library
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The wrapper decides, by the pipe. No SIG_IGN: the command would inherit it.
        signal.signal(number, lambda *_: None)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        leader = start(command)
    except OSError as error:
        os.write(report, f"cannot start: {command[0]}: {error.strerror}\n".encode())
        return
    os.write(report, b"started\n")
    os.write(report, f"exit {keep(leader, grace)}\n".encode())


if __name__ == "__main__":
    main()
