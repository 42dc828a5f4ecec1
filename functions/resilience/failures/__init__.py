"""How a job ended, and why."""

from resilience.failures.classes import Blame, FailureClass, row
from resilience.failures.ending import (
    Classification,
    End,
    classify,
    classify_text,
    is_like_a_stop,
)
from resilience.failures.job_log import Line, Tail, classify_log, says_nothing
from resilience.failures.rules import LOSS_DIVERGED
from resilience.failures.signature import signature

__all__ = [
    "LOSS_DIVERGED",
    "Blame",
    "Classification",
    "End",
    "FailureClass",
    "Line",
    "Tail",
    "classify",
    "classify_log",
    "classify_text",
    "is_like_a_stop",
    "row",
    "says_nothing",
    "signature",
]
