"""The remote calls of the controller, named by what they are for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """Every remote call on the way of a message and of a sweep, in the order of that way."""

    READ_MODE = "read the mode"
    DESCRIBE = "describe the job"
    LIST_TAGS = "list its tags"
    LIST_MORE_TAGS = "list its tags, page 2"
    READ_KEY = "read the W&B key"
    ASK_WANDB = "ask W&B"
    CREATE = "create the successor"
    ADJUDICATE = "describe the successor"
    LOOK_AGAIN = "list the job's tags again"
    GET_SCHEDULE = "ask for a reminder"
    PUBLISH = "notify"
    ADD_TAGS = "tag the verdict"
    REMIND = "schedule a reminder"
    CREATE_SCHEDULE = "schedule the next look"
    LOOK_TWICE = "describe the successor, once tagged"
    QUARANTINE = "set the message aside"
    READ_SWITCH = "sweep: read the mode"
    COUNT_FAILURES = "sweep: count failures"
    FIND_PARENTS = "sweep: find their parents"
    FIND_WAITING = "sweep: find waiting"
    FIND_AGAIN = "sweep: find asked again"
    FIND_UNJUDGED = "sweep: find unjudged"
    ASK_TO_CHECK = "sweep: queue what it found"
    SWITCH_OFF = "sweep: trip the breaker"
    TELL_OF_BREAKER = "sweep: tell of the breaker"


OF_THE_SWEEP = frozenset(
    {
        Step.READ_SWITCH,
        Step.COUNT_FAILURES,
        Step.FIND_PARENTS,
        Step.FIND_WAITING,
        Step.FIND_AGAIN,
        Step.FIND_UNJUDGED,
        Step.ASK_TO_CHECK,
        Step.SWITCH_OFF,
        Step.TELL_OF_BREAKER,
    }
)
WRITES = frozenset(
    {
        Step.CREATE,
        Step.PUBLISH,
        Step.ADD_TAGS,
        Step.REMIND,
        Step.CREATE_SCHEDULE,
        Step.QUARANTINE,
        Step.ASK_TO_CHECK,
        Step.SWITCH_OFF,
        Step.TELL_OF_BREAKER,
    }
)
_BY_OPERATION = {
    "CreateTrainingJob": Step.CREATE,
    "AddTags": Step.ADD_TAGS,
    "GetSecretValue": Step.READ_KEY,
    "GetSchedule": Step.GET_SCHEDULE,
    "SendMessage": Step.QUARANTINE,
    "SendMessageBatch": Step.ASK_TO_CHECK,
    "PutParameter": Step.SWITCH_OFF,
    "AskWandb": Step.ASK_WANDB,
}


@dataclass(slots=True)
class SoFar:
    """What a delivery has asked for already."""

    launched: bool = False
    tagged: bool = False

    def note(self, step: Step) -> None:
        self.launched |= step is Step.CREATE
        self.tagged |= step is Step.ADD_TAGS


def step_of(  # noqa: PLR0911 — one line per operation reads best
    operation: str, asked: Mapping[str, Any], about: str | None, so_far: SoFar
) -> Step:
    """Name a request; `about` is the job that the message names, None for the sweep."""
    match operation:
        case "GetParameter":
            return Step.READ_SWITCH if about is None else Step.READ_MODE
        case "Publish":
            return Step.TELL_OF_BREAKER if about is None else Step.PUBLISH
        case "DescribeTrainingJob":
            return _describe(asked, about, so_far)
        case "ListTags":
            return _list_tags(asked, so_far)
        case "CreateSchedule":
            return Step.REMIND if _is_of_a_reminder(asked["Name"]) else Step.CREATE_SCHEDULE
        case "Search":
            return _search(asked)
        case _:
            return _BY_OPERATION[operation]


def _describe(asked: Mapping[str, Any], about: str | None, so_far: SoFar) -> Step:
    if asked["TrainingJobName"] == about:
        return Step.DESCRIBE
    return Step.LOOK_TWICE if so_far.tagged else Step.ADJUDICATE


def _is_of_a_reminder(schedule: str) -> bool:
    """Whether it is a reminder's: a schedule's name is the job's, a number and a hash."""
    return schedule.rsplit("-", 2)[1] == "0"


def _list_tags(asked: Mapping[str, Any], so_far: SoFar) -> Step:
    if so_far.launched:
        return Step.LOOK_AGAIN
    return Step.LIST_MORE_TAGS if "NextToken" in asked else Step.LIST_TAGS


def _search(asked: Mapping[str, Any]) -> Step:
    names = {one["Name"] for one in asked["SearchExpression"]["Filters"]}
    if "TrainingJobName" in names:
        return Step.FIND_PARENTS
    if "Tags.resilience:parent" in names:
        return Step.COUNT_FAILURES
    if "Tags.resilience:again" in names:
        return Step.FIND_AGAIN
    return Step.FIND_WAITING if "Tags.resilience:verdict" in names else Step.FIND_UNJUDGED
