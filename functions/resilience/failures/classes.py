"""The thirteen classes. Each has one required row: mypy rejects a new class without one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class FailureClass(StrEnum):
    INFRASTRUCTURE = "infrastructure"
    CAPACITY = "capacity"
    INTERRUPTED = "interrupted"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    USER_CODE = "user_code"
    DATA = "data"
    PERMISSION = "permission"
    CONFIGURATION = "configuration"
    QUOTA = "quota"
    STOPPED_BY_USER = "stopped_by_user"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


class Blame(StrEnum):
    """What an attempt of this class is evidence against, if it trained and did no work."""

    OUTSIDE = "nobody: tried again, and waits longer each time; if all are alike, a person"
    PERSON = "a missing right: waits until a person gives it; the program, if it never had it"
    LIMIT = "the time: confirmed once, then a person"
    PROGRAM = "program or checkpoint: confirmed once, walked back once, then a person"


@dataclass(frozen=True, slots=True)
class Row:
    blame: Blame
    meaning: str


def row(failure_class: FailureClass) -> Row:  # noqa: C901, PLR0911, PLR0912 — one case per class
    match failure_class:
        case FailureClass.INFRASTRUCTURE:
            return Row(
                Blame.OUTSIDE, "a machine, a network or a service broke; another try may pass"
            )
        case FailureClass.CAPACITY:
            return Row(Blame.OUTSIDE, "AWS has no such instance to give at the moment")
        case FailureClass.INTERRUPTED:
            return Row(
                Blame.OUTSIDE, "the instance was taken away, or the job was asked to end (SIGTERM)"
            )
        case FailureClass.TIMEOUT:
            return Row(Blame.LIMIT, "the job's own time limit")
        case FailureClass.OUT_OF_MEMORY:
            return Row(
                Blame.PROGRAM, "of the GPU, of the host, of /dev/shm; SIGKILL counts as such"
            )
        case FailureClass.USER_CODE:
            return Row(Blame.PROGRAM, "the training program's own error")
        case FailureClass.DATA:
            return Row(
                Blame.PROGRAM,
                "input that is absent or cannot be read; a checkpoint that cannot be loaded",
            )
        case FailureClass.PERMISSION:
            return Row(Blame.PERSON, "something was refused that a person has to grant")
        case FailureClass.CONFIGURATION:
            return Row(Blame.PROGRAM, "a setting of the job, its image, its disk or its VPC")
        case FailureClass.QUOTA:
            return Row(Blame.OUTSIDE, "a limit of the account that is used up")
        case FailureClass.STOPPED_BY_USER:
            return Row(Blame.PROGRAM, "a person did: StopTrainingJob, W&B's Stop run, SIGINT")
        case FailureClass.INCOMPLETE:
            return Row(Blame.LIMIT, "ended Completed while its tag says that it had not finished")
        case FailureClass.UNKNOWN:
            return Row(Blame.PROGRAM, "no rule knows the text, or there is none")
        case _:
            assert_never(failure_class)
