"""How a job ended, in the words of FailureReason: a pure function of what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from local.aws.sagemaker.cluster import number_of
from local.aws.sagemaker.inbox import Exited
from local.aws.sagemaker.states import MESSAGES
from local.doubts import FailureOf, PendingTimeOut

INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of job data "
    "processed on an instance."
)
TOOLKIT_PREFIX = "ExecuteUserScriptError"
SAID_LINES = 20


@dataclass(frozen=True)
class End:
    """The last secondary status, and the reason where that is Failed; else what is said of it."""

    secondary: str
    reason: str = ""

    @property
    def is_retried(self) -> bool:
        """RetryStrategy "retries a job that fails with an InternalServerError", and no other."""
        return self.reason.startswith("InternalServerError")


COMPLETED = End("Completed")
STOPPED = End("Stopped")
TOO_LONG = End("MaxRuntimeExceeded")
WAITED_TOO_LONG = End("MaxWaitTimeExceeded")
PENDING_TOO_LONG = {
    PendingTimeOut.STOPPED: End("Stopped", MESSAGES["MaxPendingTimeExceeded"]),
    PendingTimeOut.OWN_WORD: End("MaxPendingTimeExceeded"),
}


@dataclass(frozen=True)
class Again:
    """Not an end: the container starts anew within the same job, after this secondary status."""

    secondary: str


def failed(reason: str) -> End:
    return End("Failed", reason)


def telling(exits: Sequence[Exited], which: FailureOf) -> Exited:
    """Choose whose exit code and failure file speak for the job; `exits` as they came, one or more.

    AWS says of no rule among several hosts. The first to end is the likely one: its end is what
    SageMaker acts on. Hosts that end afterwards were asked to.
    """
    failed = [one for one in exits if one.failed] or list(exits)
    match which:
        case FailureOf.FIRST_TO_END:
            return failed[0]
        case FailureOf.FIRST_HOST:
            return min(failed, key=lambda one: number_of(one.host))
        case _:
            assert_never(which)


def of_exit(code: int, failure: str) -> End:
    """Judge by the exit code alone, as SageMaker does: 0 is Completed, however far it got."""
    if code == 0:
        return COMPLETED
    if failure.startswith(TOOLKIT_PREFIX):
        return failed(f"AlgorithmError: {failure}")
    return failed(f"AlgorithmError: {failure}, exit code: {code}")


def toolkit_failure(code: int, argv: list[str], output: str) -> str:
    """Write what the training toolkit leaves in the failure file of a script that did not."""
    said = "\n".join(output.splitlines()[-SAID_LINES:]).replace('"', "'")
    return f'{TOOLKIT_PREFIX}:\nExitCode {code}\nErrorMessage "{said}"\nCommand "{" ".join(argv)}"'
