"""Why a job that never began to train waits, or does not. Pure."""

from typing import assert_never

from resilience.decide.decisions import Reason
from resilience.failures import FailureClass


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
