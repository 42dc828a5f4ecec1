"""How a job ended, read into one failure class: pure, total, linear in the text."""

import re
from dataclasses import dataclass
from functools import cache

from resilience.failure_rules import RULES, FailureClass

__all__ = ["Classification", "End", "FailureClass", "classify"]

_LONGEST_TEXT = 4096
_LONGEST_GAP = 120
_CHECKPOINT_LOAD = re.compile(
    r"(?:algorithmerror:\s*)?checkpointloaderror:\s*\S{1,200}:", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended, all of it observed from DescribeTrainingJob and ListTags."""

    status: str
    secondary_status: str
    failure_reason: str | None = None
    transition_messages: tuple[str, ...] = ()
    completed_mark: bool | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """`failure_class` is None where nothing failed; `rule` is a stable name."""

    failure_class: FailureClass | None
    rule: str
    checkpoint_load_error: bool = False


_BY_STATUS = {
    ("Stopped", "MaxRuntimeExceeded"): Classification(FailureClass.TIMEOUT, "max_runtime_exceeded"),
    ("Stopped", "MaxWaitTimeExceeded"): Classification(
        FailureClass.INTERRUPTED, "max_wait_time_exceeded"
    ),
    ("Stopped", "Interrupted"): Classification(FailureClass.INTERRUPTED, "interrupted"),
    ("Failed", "Interrupted"): Classification(FailureClass.INTERRUPTED, "interrupted"),
    ("Stopped", "Stopped"): Classification(FailureClass.STOPPED_BY_USER, "stopped"),
}


def classify(end: End) -> Classification:
    if end.status == "Completed":
        return _completed(end.completed_mark)
    return _BY_STATUS.get((end.status, end.secondary_status)) or _by_text(end)


def _completed(mark: bool | None) -> Classification:  # noqa: FBT001
    if mark is False:
        return Classification(FailureClass.INCOMPLETE, "completed_unfinished")
    return Classification(None, "completed")


def _by_text(end: End) -> Classification:
    reason = end.failure_reason or ""
    if _CHECKPOINT_LOAD.match(reason.strip()):
        return Classification(
            FailureClass.DATA, "checkpoint_load_error", checkpoint_load_error=True
        )
    for text in (reason, *reversed(end.transition_messages)):
        words = _words(text)
        for rule in RULES:
            if any(_found(phrase, words) for phrase in rule.phrases):
                return Classification(rule.failure_class, rule.name)
    return Classification(FailureClass.UNKNOWN, "unknown")


def _words(text: str) -> str:
    return f" {re.sub(r'[^a-z0-9]+', ' ', text[:_LONGEST_TEXT].lower()).strip()} "


@cache
def _parts(phrase: str) -> tuple[str, ...]:
    return tuple(_words(part) for part in phrase.split("*"))


def _found(phrase: str, words: str) -> bool:
    first, *rest = _parts(phrase)
    at = words.find(first)
    while at >= 0:
        if _continues(rest, words, at + len(first)):
            return True
        at = words.find(first, at + 1)
    return False


def _continues(parts: list[str], words: str, end: int) -> bool:
    for part in parts:
        at = words.find(part, end - 1, end + _LONGEST_GAP)
        if at < 0:
            return False
        end = at + len(part)
    return True
