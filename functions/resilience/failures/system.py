"""Linux's published numbers: errno, signals and exit codes."""

import re
from collections.abc import Iterator

from resilience.failures import rules
from resilience.failures.rules import Rule

_NETWORK = (51, 64, 70, 71, 100, 101, 102, 108, 110, 112, 113)
_CONNECTION = (32, 99, 103, 104, 106, 107, 111)
_STORAGE = (5, 19, 6, 16, 74, 116, 117, 121, 126)
_NAME_RESOLUTION = (-2, -3, -4, -5, -11)  # getaddrinfo's own

# What is not here (a file that is absent, exists, is a directory) is the program's affair.
_ERRNO: dict[int, Rule] = {
    **dict.fromkeys(_NETWORK + _NAME_RESOLUTION, rules.NETWORK_UNREACHABLE),
    **dict.fromkeys(_CONNECTION, rules.CONNECTION_LOST),
    **dict.fromkeys(_STORAGE, rules.STORAGE_UNREACHABLE),
    1: rules.ACCESS_DENIED,
    13: rules.ACCESS_DENIED,
    8: rules.ENTRY_POINT,
    12: rules.OUT_OF_MEMORY,
    28: rules.DISK_FULL,
    122: rules.DISK_FULL,
    2: rules.PROGRAMMING_ERROR,
    7: rules.PROGRAMMING_ERROR,
    11: rules.PROGRAMMING_ERROR,  # EAGAIN: a limit of processes, threads or locks
    17: rules.PROGRAMMING_ERROR,
    20: rules.PROGRAMMING_ERROR,
    21: rules.PROGRAMMING_ERROR,
    23: rules.PROGRAMMING_ERROR,
    24: rules.PROGRAMMING_ERROR,  # EMFILE: files are opened and never closed
    27: rules.PROGRAMMING_ERROR,
    30: rules.PROGRAMMING_ERROR,
    36: rules.PROGRAMMING_ERROR,
    39: rules.PROGRAMMING_ERROR,
    98: rules.PROGRAMMING_ERROR,
}
_ERRNO_NUMBER = re.compile(r"\b(?:errno[ :=]{1,3}|os error |error\(|os ?\{ ?code: ?)(-?\d{1,3})\b")

_SIGNALS: dict[int, Rule] = {
    1: rules.PROCESS_TERMINATED,
    2: rules.INTERRUPTED_BY_HAND,
    15: rules.PROCESS_TERMINATED,
    4: rules.CRASHED,
    8: rules.CRASHED,
    11: rules.CRASHED,
    7: rules.SHARED_MEMORY,
    9: rules.KILLED,
    6: rules.EXIT_CODE,
}
_SIGNAL_NAMES = {
    "hup": 1, "int": 2, "ill": 4, "abrt": 6, "bus": 7, "fpe": 8, "kill": 9, "segv": 11, "term": 15
}  # fmt: skip
_EXIT_CODES: dict[int, Rule] = {
    **{128 + number: rule for number, rule in _SIGNALS.items()},
    **{-number: rule for number, rule in _SIGNALS.items()},
    # Shells and mpirun pass some signals on as they are.
    9: rules.KILLED,
    11: rules.CRASHED,
    15: rules.PROCESS_TERMINATED,
    126: rules.ENTRY_POINT,
    127: rules.ENTRY_POINT,
}
_EXIT_CODE = re.compile(
    r"\b(?:(?:exit|return)codes?"
    r"|(?:exit(?:s|ed)?|return(?:s|ed)?|(?:failed|terminated|ended|died) with)[ _-]"
    r"(?:with |non-?zero |exit |return |status |error |an ){0,4}(?:codes?|status)(?: code)?)"
    r"[ :=(]{1,4}(-?\d{1,3})\b"
)
_SIGNAL = re.compile(
    r"\bsig(hup|int|ill|abrt|bus|fpe|kill|segv|term)\b|\bsignal[ :=]{1,3}(\d{1,2})\b"
)
# The whole job was asked to end, as torchrun, Lightning, W&B and plain programs say it.
_RECEIVED = r"\b(?:received|got|caught) (?:a )?"
_ASKED_TO_END = re.compile(
    rf"{_RECEIVED}(?:signal[: ]{{1,2}}(?:1|15)\b|(?:1|15) death signal|sig(?:hup|term)\b)"
    r"|\bsigterm(?: signal)? received\b(?! by)"
)
_INTERRUPTED = re.compile(
    rf"{_RECEIVED}(?:signal[: ]{{1,2}}2\b|2 death signal|sigint\b)"
    r"|\bsigint(?: signal)? received\b(?! by)|\bkeyboardinterrupt\b"
)
# A shell's last word on a process.
_ALONE = {
    "killed": rules.KILLED,
    "terminated": rules.PROCESS_TERMINATED,
    "aborted": rules.EXIT_CODE,
}
_ROOT_CAUSE = re.compile(r"root cause \(first observed failure\)")


def errno_rule(text: str) -> Rule | None:
    found = _ERRNO_NUMBER.search(text)
    return _ERRNO.get(int(found[1])) if found else None


def ending_rule(text: str) -> Rule | None:
    """What the exit codes and signals in a statement say; the strongest of them, then the first."""
    alone = _ALONE.get(text.strip(" .\n"))
    if alone is not None:
        return alone
    if _ASKED_TO_END.search(text):
        return rules.TERMINATED
    if _INTERRUPTED.search(text):
        return rules.INTERRUPTED_BY_HAND
    root = _ROOT_CAUSE.search(text)
    endings = list(_endings(text[root.end() :] if root else text))
    return min(endings, key=lambda rule: rule.rank, default=None)


def _endings(text: str) -> Iterator[Rule]:
    for found in _EXIT_CODE.finditer(text):
        code = int(found[1])
        if code != 0:
            yield _EXIT_CODES.get(code, rules.EXIT_CODE)
    for found in _SIGNAL.finditer(text):
        number = _SIGNAL_NAMES[found[1].lower()] if found[1] else int(found[2])
        yield _SIGNALS.get(number, rules.EXIT_CODE)
