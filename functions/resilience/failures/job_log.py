"""What the end of a job's own log says, where its FailureReason says nothing. Pure and bounded.

Every job of one role may write the log of every other job of that role. So a log may only excuse:
it can make a death that counts against the program one that does not. It can never stop a job as
stopped by a person, or give it a time limit: SageMaker and W&B report those themselves.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from resilience.failures import rules
from resilience.failures.classes import FailureClass
from resilience.failures.ending import Classification
from resilience.failures.reader import Finding, stated_cause_of
from resilience.failures.rules import Rank
from resilience.failures.statements import LONGEST_TEXT

MOST_CHARACTERS = 65_536  # of all hosts together
# What a host says longer before its last line it survived. torchrun gives its workers 30 s to end.
_LAST_MILLISECONDS = 120_000
# A reason is an error's, a log mostly not: a line counts if it reads like a complaint or a frame.
_COMPLAINT = re.compile(
    r"(?<!_)errors?(?![a-z_])|exception|traceback|\bfail(?:ed|ure|s)?\b|\bfatal\b|\babort(?:ed)?\b"
    r"|\bcannot\b|\bcould not\b|\bunable to\b|\bno space\b|\bout of memory\b|\boom\b"
    r"|\btimed out\b|\bdenied\b|\bforbidden\b|\bexpired\b|\bkilled\b|\bterminated\b|\bdumped\b"
    r"|\bsignal\b|\bsig[a-z]{3,4}\b|\bexit(?:s|ed|code)?\b|\bxid\b|\bfallen off\b|\bunhealthy\b"
    r"|\[e |\b(?:nccl|ccom) warn\b|\bunreachable\b|\blost\b|diverged\b",
    re.IGNORECASE,
)
_FRAME = re.compile(r'\bFile "[^"\n]{1,300}", line \d')
# It begins a statement: neighbours in a log have nothing to do with each other.
_APART = "[error] "
_EMPTY_REASONS = frozenset({rules.EXIT_CODE.name, rules.UNEXPLAINED.name})
_REPORTED_OTHERWISE = frozenset(
    {
        FailureClass.STOPPED_BY_USER,
        FailureClass.TIMEOUT,
        FailureClass.CAPACITY,
        FailureClass.QUOTA,
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    at: int  # milliseconds since 1970
    text: str


Tail = tuple[Line, ...]  # the end of one host's log, oldest line first


@dataclass(frozen=True, slots=True)
class _Cause:
    finding: Finding
    block: Tail

    def began(self) -> int:
        """When its host first said so: a block goes on naming a cause once it has named it."""
        rule = self.finding.rule

        def is_named(lines: int) -> bool:
            found = stated_cause_of(_text(self.block[:lines]))
            return found is not None and found.rule is rule

        needed = bisect_left(range(1, len(self.block)), True, key=is_named)  # noqa: FBT003
        return self.block[needed].at


def says_nothing(failure_class: FailureClass | None, rule: str) -> bool:
    """Whether a reason only says that the job failed: unknown, a bare exit code, or a wrapper."""
    return failure_class is FailureClass.UNKNOWN or rule in _EMPTY_REASONS


def classify_log(hosts: Iterable[Tail]) -> Classification | None:
    """Classify by the earliest cause that any host names; None where no host names one."""
    tails = [tail for tail in hosts if tail]
    share = MOST_CHARACTERS // max(1, len(tails))
    blocks = (block for tail in tails for block in _blocks(_end(tail, share)))
    causes = [_Cause(finding, block) for block in blocks if (finding := _excuse(block)) is not None]
    best = min((one.finding.rank for one in causes), default=None)
    first = [one for one in causes if one.finding.rank is best]
    if not first:
        return None
    alike = len({one.finding.rule for one in first}) == 1
    rule = (first[0] if alike else min(first, key=_Cause.began)).finding.rule
    return Classification(rule.failure_class, rule.name)


def _excuse(block: Tail) -> Finding | None:
    found = stated_cause_of(_text(block))
    if found is None or Rank.ECHO in (found.rank, found.rule.rank):
        return None
    return None if found.rule.failure_class in _REPORTED_OTHERWISE else found


def _end(tail: Tail, most: int) -> Tail:
    """The last complaints, in time and in size."""
    late = (line for line in tail if tail[-1].at - line.at <= _LAST_MILLISECONDS)
    kept: list[Line] = []
    for line in reversed(tuple(_complaints(late))):
        if most <= 0:
            break
        kept.append(replace(line, text=line.text[-most:]))
        most -= len(line.text) + 1
    return tuple(reversed(kept))


def _complaints(lines: Iterable[Line]) -> Iterator[Line]:
    quoted = False  # a frame is followed by the line of source that it names
    for line in lines:
        frame = _FRAME.search(line.text) is not None
        if frame or quoted:
            yield line
        elif _COMPLAINT.search(line.text):
            yield replace(line, text=f"{_APART}{line.text}")
        quoted = frame


def _blocks(tail: Tail) -> Iterator[Tail]:
    """Runs of lines, each no longer than what the reader takes."""
    block: list[Line] = []
    size = 0
    for line in tail:
        size += len(line.text) + 1
        if block and size > LONGEST_TEXT:
            yield tuple(block)
            block, size = [], len(line.text) + 1
        block.append(replace(line, text=line.text[-LONGEST_TEXT:]))
    if block:
        yield tuple(block)


def _text(lines: Iterable[Line]) -> str:
    return "\n".join(line.text for line in lines)
