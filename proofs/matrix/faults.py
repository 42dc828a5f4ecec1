"""What can go wrong with one remote call."""

from enum import StrEnum

from proofs.matrix.resources import Refused
from proofs.matrix.steps import Step


class Crash(BaseException):
    """The process is gone: nothing catches this."""


class NoAnswer(Exception):  # noqa: N818 — it says what happened
    """The connection broke, or time ran out, before an answer came."""


class Fault(StrEnum):
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    LOST_RESPONSE = "lost response, resent"
    THROTTLED = "throttled"
    SERVER_ERROR = "5xx"
    LATE_SUCCESS = "timeout, late success"
    ACCESS_DENIED = "access denied"
    BAD_REQUEST = "4xx"
    STALE = "stale read"
    GARBLED = "malformed, no effect"
    GARBLED_AFTER = "malformed, after effect"
    CLOCK_AHEAD = "clock jumps ahead"
    CLOCK_BEHIND = "clock jumps back"
    QUOTA = "quota reached"


CLOCK_JUMPS = {Fault.CLOCK_AHEAD: 7200, Fault.CLOCK_BEHIND: -7200}  # seconds
_OF_WANDB = {
    Fault.THROTTLED: ("rate_limited", 429),
    Fault.SERVER_ERROR: ("unavailable", 503),
    Fault.ACCESS_DENIED: ("unauthorized", 401),
    Fault.BAD_REQUEST: ("bad_request", 400),
}
_OF_AWS = {
    Fault.THROTTLED: ("ThrottlingException", "Rate exceeded", 400),
    Fault.SERVER_ERROR: ("InternalFailure", "We encountered an internal error", 500),
    Fault.ACCESS_DENIED: ("AccessDeniedException", "is not authorized to perform", 400),
    Fault.BAD_REQUEST: ("ValidationException", "1 validation error detected", 400),
}
_QUOTAS = {
    Step.CREATE: (
        "ResourceLimitExceeded",
        "The account-level service limit 'ml.g5.2xlarge for training job usage' is 1 Instances",
    ),
    Step.CREATE_SCHEDULE: ("ServiceQuotaExceededException", "Too many schedules"),
    Step.REMIND: ("ServiceQuotaExceededException", "Too many schedules"),
    Step.ADD_TAGS: ("ResourceLimitExceeded", "Too many tags"),
}
HAVE_QUOTAS = frozenset(_QUOTAS)


def refusal(fault: Fault, step: Step) -> Refused | None:
    """The service's refusal, where the fault is one."""
    if fault is Fault.QUOTA:
        return Refused(*_QUOTAS[step])
    if step is Step.ASK_WANDB:
        told = _OF_WANDB.get(fault)
        return Refused(told[0], told[0], told[1]) if told else None
    answer = _OF_AWS.get(fault)
    return Refused(*answer) if answer else None


__all__ = ["CLOCK_JUMPS", "HAVE_QUOTAS", "Crash", "Fault", "NoAnswer", "refusal"]
