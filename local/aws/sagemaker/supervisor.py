"""Runs one container and dies with it: started by the server, one for each container.

Read by a bare interpreter (`python -I -S`), so it needs nothing but the standard library.

Contract. Standard input: ten digits, that many bytes of JSON (`argv`, `env`, `cwd`, `opt_ml`,
`isolation`, `placement`), then commands of one byte: `t` asks the main process to end, `a` asks
every process, `f` stops every process where it is, `c` lets them go on, `k` kills all. The end of
standard input means that the server is gone, and kills all. Standard output and error become the
container's own. Descriptor `status`, the one argument: lines `running`, `exit N` (128 + signal for
a killed process) or `cannot start: …`.

With a pid namespace the kernel kills whatever the main process leaves behind; without one, this
process adopts orphans and kills them itself.
"""

import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Never

if __name__ == "__main__":  # a bare interpreter finds nothing of ours by itself
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from local.isolation import (
    LINUX,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    Isolation,
    Placement,
    enter_namespaces,
    libc_call,
    mount,
)
from local.process_tree import descendants, freeze_below, send

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
ASK_MAIN, ASK_ALL = signal.SIGUSR1, signal.SIGUSR2
FREEZE, THAW = signal.SIGURG, signal.SIGWINCH
EXIT_BY_SIGNAL = 128
CANNOT_START = 255
LENGTH = 10
ROUND_SECONDS = 0.002


def become_main(spec: dict[str, Any], status: int) -> Never:
    """Turn into the container's main process."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_DFL)
    # Only now: a request to end that came before would have been ignored, and so lost.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 - a container has no shell
    except OSError as error:
        os.write(status, f"cannot start: {spec['argv'][0]}: {error.strerror}\n".encode())
    os._exit(CANNOT_START)


def code_of(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else EXIT_BY_SIGNAL - code


def _send_on(number: signal.Signals, *_: object) -> None:
    """Send to every process of the namespace but this one, in one call that none slips through."""
    with suppress(ProcessLookupError):
        os.kill(-1, number)


def become_init(spec: dict[str, Any], status: int) -> Never:
    """Be process 1 of the namespace: pass the requests on, reap, and end when the main one ends."""
    signal.set_wakeup_fd(-1)
    libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    main = os.fork()
    if main == 0:
        become_main(spec, status)
    signal.signal(ASK_MAIN, lambda *_: os.kill(main, signal.SIGTERM))
    for asked, number in (
        (ASK_ALL, signal.SIGTERM),
        (FREEZE, signal.SIGSTOP),
        (THAW, signal.SIGCONT),
    ):
        signal.signal(asked, partial(_send_on, number))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    while True:
        pid, wait_status = os.waitpid(-1, 0)
        if pid == main:
            os._exit(code_of(wait_status))


def reap(main: int) -> int | None:
    """Collect every ended child; the wait status of the main one if it is among them."""
    ended = None
    while True:
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == main:
            ended = wait_status


@dataclass(frozen=True)
class Container:
    """The first child: process 1 of a pid namespace, or the main process itself."""

    pid: int
    isolated: bool

    def ask_main(self) -> None:
        send(self.pid, ASK_MAIN if self.isolated else signal.SIGTERM)

    def ask_all(self) -> None:
        if self.isolated:
            send(self.pid, ASK_ALL)
        else:
            self.send_all(signal.SIGTERM)

    def freeze(self) -> None:
        if self.isolated:
            send(self.pid, FREEZE)
        else:
            freeze_below(os.getpid(), ROUND_SECONDS)

    def thaw(self) -> None:
        if self.isolated:
            send(self.pid, THAW)
        else:
            self.send_all(signal.SIGCONT)

    def kill(self) -> None:
        if self.isolated:
            send(self.pid, signal.SIGKILL)
        else:
            self.send_all(signal.SIGKILL)

    def send_all(self, number: signal.Signals) -> None:
        # Without /proc only the main process's own session can be found: it leads its group.
        for pid in descendants(os.getpid()) if LINUX else [-self.pid]:
            send(pid, number)

    def clear_up(self) -> None:
        """Leave nothing running, however fast the orphans fork."""
        self.send_all(signal.SIGKILL)
        while LINUX and descendants(os.getpid()):
            self.send_all(signal.SIGKILL)
            reap(self.pid)
            time.sleep(ROUND_SECONDS)


def start(spec: dict[str, Any], status: int) -> Container:
    isolation = Isolation(**spec["isolation"])
    signal.pthread_sigmask(signal.SIG_BLOCK, [ASK_MAIN, ASK_ALL, FREEZE, THAW, signal.SIGTERM])
    enter_namespaces(isolation, spec["opt_ml"], Placement.of(spec["placement"]))
    pid = os.fork()
    if pid == 0 and isolation.pid:
        become_init(spec, status)
    elif pid == 0:
        if LINUX:
            libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        become_main(spec, status)
    return Container(pid, isolation.pid)


def obey(container: Container, command: bytes) -> None:
    match command:
        case b"t":
            container.ask_main()
        case b"a":
            container.ask_all()
        case b"f":
            container.freeze()
        case b"c":
            container.thaw()
        case _:  # `k`, or the end of the stream: the server is gone
            container.kill()


def supervise(container: Container, wakeup: int) -> int:
    """Wait for the end of the container, obeying commands; the wait status of its first process."""
    listened = [0, wakeup]
    while True:
        ready, _, _ = select.select(listened, [], [])
        if 0 in ready:
            command = os.read(0, 1)
            obey(container, command)
            if not command:
                listened = [wakeup]
        if wakeup in ready:
            os.read(wakeup, 512)
            ended = reap(container.pid)
            if ended is not None:
                return ended


def read_exactly(size: int) -> bytes:
    """Read that much and no more: the commands behind it must stay in the pipe."""
    read = b""
    while len(read) < size:
        part = os.read(0, size - len(read))
        if not part:
            sys.exit(CANNOT_START)
        read += part
    return read


def main() -> None:
    status = int(sys.argv[1])
    fcntl.fcntl(status, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    wakeup, alarm = os.pipe()
    fcntl.fcntl(alarm, fcntl.F_SETFL, os.O_NONBLOCK)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the server decides, through the pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = json.loads(read_exactly(int(read_exactly(LENGTH))))
    if LINUX:
        libc_call("prctl", PR_SET_CHILD_SUBREAPER, 1)
    try:
        container = start(spec, status)
    except OSError as error:
        os.write(status, f"cannot start: {error}\n".encode())
        sys.exit(CANNOT_START)
    os.write(status, b"running\n")
    code = code_of(supervise(container, wakeup))
    container.clear_up()
    os.write(status, f"exit {code}\n".encode())


if __name__ == "__main__":
    main()
