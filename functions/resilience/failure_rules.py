"""The rules that read a failure text, as data.

A phrase is a run of words: case, whitespace and punctuation do not count, `*` stands for up to 120
characters, and a phrase never matches inside a word. No regular expression, so no backtracking.
"""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    failure_class: FailureClass
    phrases: tuple[str, ...]


C = FailureClass

RULES: tuple[Rule, ...] = (
    Rule(
        "gpu_hardware",
        C.INFRASTRUCTURE,
        (
            "uncorrectable ECC",
            "ECC error",
            "fallen off the bus",
            "NVLink error",
            "hardware failure",
        ),
    ),
    Rule("spot", C.INTERRUPTED, ("spot interruption", "spot instance * interrupted")),
    Rule(
        "not_in_region",
        C.CONFIGURATION,
        ("not available in this region", "not supported in this region", "not available in region"),
    ),
    Rule("quota", C.QUOTA, ("ResourceLimitExceeded", "account-level service limit")),
    Rule(
        "capacity",
        C.CAPACITY,
        (
            "CapacityError",
            "EC2InsufficientCapacityError",
            "InsufficientInstanceCapacity",
            "insufficient capacity",
            "unable to provision requested",
            "retry using a different ML instance type",
        ),
    ),
    Rule("throttled", C.INFRASTRUCTURE, ("ThrottlingException", "rate exceeded", "SlowDown")),
    Rule(
        "memory",
        C.OUT_OF_MEMORY,
        (
            "CUDA out of memory",
            "CUDA error out of memory",
            "OutOfMemoryError",
            "MemoryError",
            "instance type with more memory",
            "exit code 137",
            "exitcode 137",
            "cannot allocate memory",
        ),
    ),
    Rule(
        "access_denied",
        C.PERMISSION,
        (
            "AccessDenied",
            "access denied",
            "AccessDeniedException",
            "permission denied",
            "its permissions are incorrect",
            "not authorized",
        ),
    ),
    Rule(
        "download",
        C.DATA,
        ("data download failed", "failed to download data", "NoSuchKey", "no S3 objects found"),
    ),
    Rule("sigterm", C.INTERRUPTED, ("exit code 143", "exitcode 143")),
    Rule(
        "user_script",
        C.USER_CODE,
        (
            "SyntaxError",
            "ImportError",
            "ModuleNotFoundError",
            "KeyError",
            "TypeError",
            "AssertionError",
        ),
    ),
    Rule(
        "collective",
        C.INFRASTRUCTURE,
        ("watchdog caught collective operation timeout", "NCCL error", "connection reset by peer"),
    ),
    Rule(
        "internal_error", C.INFRASTRUCTURE, ("InternalServerError", "encountered an internal error")
    ),
    Rule("script_failed", C.USER_CODE, ("ExecuteUserScriptError", "exit code", "exitcode")),
)
