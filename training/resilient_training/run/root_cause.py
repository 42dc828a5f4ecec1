"""Why a command failed: what it said itself, rather than what it said of others."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TRACEBACK = "Traceback (most recent call last):"
# `[rank1]: ` is torch's own, `[default1]:` torchrun's --tee, `[1,0]<stderr>:` mpirun's.
_PREFIX = re.compile(r"(?P<who>\[[\w,]*\d+\](?:<std\w+>)?:\s?)?(?P<said>.*)", re.DOTALL)
_RAISED = re.compile(r"[A-Za-z_][\w.]*(:.*)?")
_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Diverged|Exit)(: .*)?")
# What the others of a group write when one of them is gone (gloo, NCCL, the rendezvous), and what a
# launcher writes when it only counts. `Connection reset by peer` alone may be a data source's.
_PEER = re.compile(
    r"""gloo/transport.*(?:Connection\ (?:reset|closed)\ by\ peer|Broken\ pipe|Timed\ out\ waiting)
    | (?:Read|Write)\ error\ \[.*(?:Connection\ reset|Broken\ pipe)
    | Connection\ closed\ by\ (?:remote\ )?peer
    | Rendezvous\w*Error | DistStoreError | DistNetworkError
    | \[c10d\] | TCPStore | Socket\ Timeout
    | Watchdog\ caught\ collective\ operation\ timeout | failure\ detected\ by\ watchdog
    | NCCL\ operations\ have\ failed\ or\ timed\ out
    | ncclRemoteError | remote\ process\ exited | NCCL\ communicator\ was\ aborted
    | connectFullMesh | Timed\ out\ waiting\ \d+ms\ for\ (?:recv|send)""",
    re.VERBOSE,
)
_PEER_LOGGED = re.compile(
    r"Watchdog caught|detected by watchdog|NCCL operations have failed or timed out|gloo/transport"
)
_ECHO = re.compile(r"ChildFailedError|SignalException|CalledProcessError|ProcessExitedException")
# torchrun's table of failures; SIGABRT and SIGTERM there are how a launcher or NCCL cleans up.
_TABLE = re.compile(r"Signal (?P<number>\d+) \(SIG\w+\) received by PID")
_OWN_SIGNALS = frozenset({signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL})
_HINTS = {
    signal.SIGKILL: "often out of memory",
    signal.SIGBUS: "often /dev/shm or a disk is full",
    signal.SIGSEGV: "a crash in native code",
}
_SHELL_SIGNAL = 128


@dataclass(frozen=True)
class Cause:
    """`of_peer`: only the death of another process or host was seen; its own text is the cause."""

    text: str
    of_peer: bool = False


def cause_of(error_file: str | None, lines: Sequence[str], code: int) -> Cause:
    """The root cause of a command's failure, as far as this host can see it.

    torchelastic's error file counts first, then the last error that is no complaint about another
    process, then a signal in torchrun's table, then such a complaint, then the exit code.

    Args:
        error_file: Content of TORCHELASTIC_ERROR_FILE; None: there is none.
        lines: The last lines of the command, the newest last.
        code: Of the command, as subprocess has it.
    """
    filed = said_in(error_file)
    errors = [one for one in errors_in(lines) if not _ECHO.search(one)]
    own = [one for one in errors if not _PEER.search(one)]
    if filed is not None and not _is_of_others(filed):
        return Cause(filed)
    if own:
        return Cause(own[-1])
    killed = _signal_in(lines)
    if killed is not None:
        return Cause(f"a process of the command was {killed_by(killed)}")
    complaints = [*errors, *([filed] if filed and _PEER.search(filed) else [])]
    if not complaints and code > 0:
        # Not an exception but a line of a C++ log: NCCL's watchdog aborts the process itself.
        complaints = [line.strip() for line in lines if _PEER_LOGGED.search(line)]
    if complaints:
        return Cause(complaints[-1], of_peer=True)
    return Cause(ended_with(code))


def _is_of_others(text: str) -> bool:
    return bool(_PEER.search(text) or _ECHO.search(text))


def said_in(error_file: str | None) -> str | None:
    """The message in torchelastic's error file; None where it holds none (an older one, a lie)."""
    try:
        filed = json.loads(error_file or "null")
    except ValueError:
        return None
    said = filed.get("message") if isinstance(filed, dict) else None
    if isinstance(said, dict):
        said = said.get("message")
    return said.strip() if isinstance(said, str) and said.strip() else None


def errors_in(lines: Iterable[str]) -> Iterator[str]:
    """The errors, in the order in which they were written.

    An error ends a traceback, whatever it is called; the processes of a command write between each
    other's lines, so each has its own. Without a traceback its name has to say what it is.
    """
    within: set[str] = set()
    for line in lines:
        who, said = _parted(line)
        if said.startswith(_TRACEBACK):
            within.add(who)
        elif who in within and _RAISED.fullmatch(said):
            within.discard(who)
            yield said
        elif _ERROR.fullmatch(said):
            yield said


def _parted(line: str) -> tuple[str, str]:
    match = _PREFIX.fullmatch(line)
    return ("", line) if match is None else (match["who"] or "", match["said"].rstrip())


def _signal_in(lines: Iterable[str]) -> signal.Signals | None:
    numbers = [int(found["number"]) for line in lines if (found := _TABLE.search(line))]
    return next((signal.Signals(one) for one in reversed(numbers) if one in _OWN_SIGNALS), None)


def killed_by(number: signal.Signals) -> str:
    hint = _HINTS.get(number)
    return f"killed by {number.name}" + (f": {hint}" if hint else "")


def ended_with(code: int) -> str:
    """What an exit code says; a shell gives 128 + N for signal N."""
    number = -code if code < 0 else code - _SHELL_SIGNAL
    if number in {one.value for one in signal.Signals}:
        return f"exit code {code}: {killed_by(signal.Signals(number))}"
    return f"exit code {code}, and no error text"
