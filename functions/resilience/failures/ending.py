"""How a job ended, read into one failure class: pure, total, and linear in the text."""

from collections.abc import Iterator
from dataclasses import dataclass

from resilience.failures import rules
from resilience.failures.classes import FailureClass
from resilience.failures.leading import leading_rule
from resilience.failures.reader import rule_of


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended, all of it observed from DescribeTrainingJob and ListTags.

    `transition_messages` are SecondaryStatusTransitions[].StatusMessage, oldest first;
    `completed_mark` is the tag resilience:completed: yes True, no False, absent None.
    """

    status: str
    secondary_status: str
    failure_reason: str | None = None
    transition_messages: tuple[str, ...] = ()
    completed_mark: bool | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """`failure_class` is None where the job ended well; `rule`, a stable name, decided."""

    failure_class: FailureClass | None
    rule: str
    checkpoint_load_error: bool = False


_COMPLETED = Classification(None, "completed")
_UNFINISHED = Classification(FailureClass.INCOMPLETE, "completed_unfinished")
_UNKNOWN = Classification(FailureClass.UNKNOWN, "unknown")
_CHECKPOINT_LOAD_ERROR = Classification(
    FailureClass.DATA, "checkpoint_load_error", checkpoint_load_error=True
)
_STOPPED_IN_WANDB = Classification(FailureClass.STOPPED_BY_USER, rules.STOPPED_IN_WANDB.name)
# What these words say is more than a class, where they lead a text and nowhere else.
_BY_CONTRACT = {
    rules.CHECKPOINT_LOAD_ERROR: _CHECKPOINT_LOAD_ERROR,
    rules.STOPPED_IN_WANDB: _STOPPED_IN_WANDB,
}
# A text that only reads like a person's stop: what SageMaker and our training side say is proof.
_LIKE_A_STOP = frozenset({rules.STOP_MENTIONED.name, rules.INTERRUPTED_BY_HAND.name})

# Stopped/Stopped means StopTrainingJob: a limit or a lost spot instance says so instead.
_BY_STATUS = {
    ("Stopped", "MaxRuntimeExceeded"): Classification(FailureClass.TIMEOUT, "max_runtime_exceeded"),
    ("Failed", "MaxRuntimeExceeded"): Classification(FailureClass.TIMEOUT, "max_runtime_exceeded"),
    ("Stopped", "MaxWaitTimeExceeded"): Classification(
        FailureClass.INTERRUPTED, "max_wait_time_exceeded"
    ),
    ("Failed", "MaxWaitTimeExceeded"): Classification(
        FailureClass.INTERRUPTED, "max_wait_time_exceeded"
    ),
    ("Stopped", "Interrupted"): Classification(FailureClass.INTERRUPTED, "interrupted"),
    ("Failed", "Interrupted"): Classification(FailureClass.INTERRUPTED, "interrupted"),
    ("Stopped", "Stopped"): Classification(FailureClass.STOPPED_BY_USER, "stopped"),
}

# Trouble before this point was overcome: the job trained after it.
_PROGRESS = ("training in progress", "training image download completed")


def classify(end: End) -> Classification:
    if end.status == "Completed":
        return _UNFINISHED if end.completed_mark is False else _COMPLETED
    by_reason = classify_text(end.failure_reason or "")
    if by_reason is _STOPPED_IN_WANDB:
        return by_reason  # a limit or a lost instance that came with it does not undo it
    return _BY_STATUS.get((end.status, end.secondary_status)) or _by_texts(by_reason, end)


def classify_text(text: str) -> Classification:
    """Classifies a FailureReason, or the text of an exception of CreateTrainingJob."""
    rule = leading_rule(text)
    if rule in _BY_CONTRACT:
        return _BY_CONTRACT[rule]
    rule = rule or rule_of(text)
    return Classification(rule.failure_class, rule.name) if rule else _UNKNOWN


def is_like_a_stop(classification_rule: str) -> bool:
    """Whether only a text says that a person stopped the job."""
    return classification_rule in _LIKE_A_STOP


def _by_texts(by_reason: Classification, end: End) -> Classification:
    if by_reason is not _UNKNOWN:
        return by_reason
    return next(
        (c for c in map(classify_text, _last_messages(end.transition_messages)) if c != _UNKNOWN),
        _UNKNOWN,
    )


def _last_messages(messages: tuple[str, ...]) -> Iterator[str]:
    for message in reversed(messages):
        if message.lower().startswith(_PROGRESS):
            return
        yield message
