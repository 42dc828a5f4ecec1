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


class Action(StrEnum):
    """What the class alone suggests; the work of the attempt is heard first."""

    RETRY = "retry"
    CONFIRM = "retry once to confirm"
    PERSON = "a person"


@dataclass(frozen=True, slots=True)
class Row:
    action: Action
    meaning: str


def row(failure_class: FailureClass) -> Row:  # noqa: C901, PLR0911, PLR0912 — one case per class
    match failure_class:
        case FailureClass.INFRASTRUCTURE:
            return Row(
                Action.RETRY, "a machine, a network or a service broke; another try may pass"
            )
        case FailureClass.CAPACITY:
            return Row(Action.RETRY, "AWS has no such instance to give at the moment")
        case FailureClass.INTERRUPTED:
            return Row(
                Action.RETRY, "the instance was taken away, or the job was asked to end (SIGTERM)"
            )
        case FailureClass.TIMEOUT:
            return Row(Action.RETRY, "the job's own time limit")
        case FailureClass.OUT_OF_MEMORY:
            return Row(
                Action.PERSON, "of the GPU, of the host, of /dev/shm; SIGKILL counts as such"
            )
        case FailureClass.USER_CODE:
            return Row(Action.CONFIRM, "the training program's own error")
        case FailureClass.DATA:
            return Row(
                Action.CONFIRM,
                "input that is absent or cannot be read; a checkpoint that cannot be loaded",
            )
        case FailureClass.PERMISSION:
            return Row(Action.PERSON, "something was refused that a person has to grant")
        case FailureClass.CONFIGURATION:
            return Row(Action.PERSON, "a setting of the job, its image, its disk or its VPC")
        case FailureClass.QUOTA:
            return Row(Action.RETRY, "a limit of the account that is used up")
        case FailureClass.STOPPED_BY_USER:
            return Row(Action.PERSON, "a person did: StopTrainingJob, W&B's Stop run, SIGINT")
        case FailureClass.INCOMPLETE:
            return Row(Action.RETRY, "ended Completed while its tag says that it had not finished")
        case FailureClass.UNKNOWN:
            return Row(Action.CONFIRM, "no rule knows the text, or there is none")
        case _:
            assert_never(failure_class)
