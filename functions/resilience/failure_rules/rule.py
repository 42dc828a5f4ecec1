from dataclasses import dataclass
from enum import StrEnum

# Names of rules that are known elsewhere.
LOSS_DIVERGED = "loss_diverged"
STOPPED_IN_WANDB = "stopped_in_wandb"


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
    """A text is of `failure_class` when it has any of `phrases`, as `failure_text` finds them.

    `name` is stable: it goes into decisions, tags and logs.
    """

    name: str
    failure_class: FailureClass
    phrases: tuple[str, ...]


def rule(name: str, failure_class: FailureClass, phrases: str) -> Rule:
    """Makes a rule of phrases that are set apart by bars."""
    return Rule(name, failure_class, tuple(" ".join(p.split()) for p in phrases.split("|")))
