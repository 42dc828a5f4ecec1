"""What an end without work of its own is evidence against. One row for each failure class. Pure."""

from enum import StrEnum
from typing import assert_never

from resilience.decisions import Reason
from resilience.failures import FailureClass


class Blame(StrEnum):
    """Who may have caused an attempt that trained and committed nothing."""

    OUTSIDE = "outside"  # a machine, a network, AWS: no evidence against program or checkpoint
    PERSON = "person"  # a right or a key is missing: it comes back when somebody gives it
    LIMIT = "limit"  # time ran out: no evidence against the checkpoint
    PROGRAM = "program"  # script, data or checkpoint: the same end comes again


def blamed(failure_class: FailureClass) -> Blame:
    """Whom an end of this class is evidence against."""
    match failure_class:
        case (
            FailureClass.INFRASTRUCTURE
            | FailureClass.CAPACITY
            | FailureClass.QUOTA
            | FailureClass.INTERRUPTED
        ):
            return Blame.OUTSIDE
        case FailureClass.TIMEOUT | FailureClass.INCOMPLETE:
            return Blame.LIMIT
        case (
            FailureClass.USER_CODE
            | FailureClass.DATA
            | FailureClass.OUT_OF_MEMORY
            | FailureClass.CONFIGURATION
            | FailureClass.STOPPED_BY_USER
            | FailureClass.UNKNOWN
        ):
            return Blame.PROGRAM
        case FailureClass.PERMISSION:
            return Blame.PERSON
        case _:
            assert_never(failure_class)


def why_not_started(failure_class: FailureClass) -> Reason:
    """Why a job that never began to train waits."""
    match failure_class:
        case FailureClass.CAPACITY | FailureClass.INTERRUPTED:
            return Reason.CAPACITY_UNAVAILABLE
        case FailureClass.QUOTA:
            return Reason.QUOTA_REACHED
        case FailureClass.PERMISSION | FailureClass.CONFIGURATION | FailureClass.DATA:
            return Reason.START_REFUSED
        case (
            FailureClass.INFRASTRUCTURE
            | FailureClass.TIMEOUT
            | FailureClass.INCOMPLETE
            | FailureClass.USER_CODE
            | FailureClass.OUT_OF_MEMORY
            | FailureClass.STOPPED_BY_USER
            | FailureClass.UNKNOWN
        ):
            return Reason.NOT_STARTED
        case _:
            assert_never(failure_class)


def refusal_of_the_start(failure_class: FailureClass) -> Reason | None:
    """Why AWS refused to start a configuration; None: nothing says that it would refuse again.

    The container has not run, so the text is AWS's own.
    """
    match failure_class:
        case FailureClass.PERMISSION:
            return Reason.PERMISSION_DENIED
        case FailureClass.CONFIGURATION | FailureClass.DATA:
            return Reason.CONFIGURATION_INVALID
        case _:
            return None
