"""The remote calls of the controller, named by what they are for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """Every remote call on the way of a message and of a sweep, in the order of that way."""

    READ_SWITCHES = "read the switches"
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
    SWEEP_SWITCHES = "sweep: read the switches"
    COUNT_DEATHS = "sweep: count deaths"
    FIND_HELD = "sweep: find waiting, the breaker open"
    FIND_PROBE = "sweep: find the probe"
    FIND_TRIAL = "sweep: find the probe's successor"
    TELL_OF_BREAKER = "sweep: tell of the breaker"
    READ_AGAIN = "sweep: read the switches again"
    SET_BREAKER = "sweep: set the breaker"
    ASK_TO_TRY = "sweep: queue the probe"
    FIND_WAITING = "sweep: find waiting"
    FIND_AGAIN = "sweep: find asked again"
    FIND_UNJUDGED = "sweep: find unjudged"
    ASK_TO_CHECK = "sweep: queue what it found"


OF_THE_BREAKER = frozenset(
    {
        Step.FIND_HELD,
        Step.FIND_PROBE,
        Step.FIND_TRIAL,
        Step.TELL_OF_BREAKER,
        Step.READ_AGAIN,
        Step.SET_BREAKER,
        Step.ASK_TO_TRY,
    }
)
SEARCHES = frozenset(
    {
        Step.COUNT_DEATHS,
        Step.FIND_HELD,
        Step.FIND_PROBE,
        Step.FIND_TRIAL,
        Step.FIND_WAITING,
        Step.FIND_AGAIN,
        Step.FIND_UNJUDGED,
    }
)
OF_THE_SWEEP = OF_THE_BREAKER | SEARCHES | {Step.SWEEP_SWITCHES, Step.ASK_TO_CHECK}
WRITES = frozenset(
    {
        Step.CREATE,
        Step.PUBLISH,
        Step.ADD_TAGS,
        Step.REMIND,
        Step.CREATE_SCHEDULE,
        Step.QUARANTINE,
        Step.TELL_OF_BREAKER,
        Step.SET_BREAKER,
        Step.ASK_TO_TRY,
        Step.ASK_TO_CHECK,
    }
)
_BY_OPERATION = {
    "CreateTrainingJob": Step.CREATE,
    "AddTags": Step.ADD_TAGS,
    "GetSecretValue": Step.READ_KEY,
    "GetSchedule": Step.GET_SCHEDULE,
    "SendMessage": Step.QUARANTINE,
    "PutParameter": Step.SET_BREAKER,
    "AskWandb": Step.ASK_WANDB,
}


@dataclass(slots=True)
class SoFar:
    """What a delivery has asked for already, and what it knows of the breaker."""

    launched: bool = False
    tagged: bool = False
    looked: bool = False  # a sweep at the fleet
    went_on: bool = False  # a sweep beyond the breaker
    is_open: bool = False  # the breaker, as a sweep was shown it
    probe: str = ""
    last: Step | None = None

    def note(self, step: Step, asked: Mapping[str, Any]) -> None:
        self.launched |= step is Step.CREATE
        self.tagged |= step is Step.ADD_TAGS
        self.looked |= step in SEARCHES | {Step.TELL_OF_BREAKER}
        self.went_on |= step in _BEYOND_THE_BREAKER
        if step is Step.FIND_PROBE:
            self.probe = _name_in(asked)
        self.last = step


# Before it writes the breaker's state, it has searched for all that this depends on.
_BEYOND_THE_BREAKER = frozenset(
    {Step.READ_AGAIN, Step.FIND_WAITING, Step.FIND_AGAIN, Step.FIND_UNJUDGED}
)


def step_of(  # noqa: PLR0911 — one line per operation reads best
    operation: str, asked: Mapping[str, Any], about: str | None, so_far: SoFar
) -> Step:
    """Name a request; `about` is the job that the message names, None for the sweep."""
    match operation:
        case "GetParameters" if about is None:
            return Step.READ_AGAIN if so_far.looked else Step.SWEEP_SWITCHES
        case "GetParameters":
            return Step.READ_SWITCHES
        case "SendMessageBatch":
            of_the_probe = so_far.last in {Step.FIND_PROBE, Step.ASK_TO_TRY}
            return Step.ASK_TO_TRY if of_the_probe else Step.ASK_TO_CHECK
        case "Publish":
            return Step.TELL_OF_BREAKER if about is None else Step.PUBLISH
        case "DescribeTrainingJob":
            return _describe(asked, about, so_far)
        case "ListTags":
            return _list_tags(asked, so_far)
        case "CreateSchedule":
            return Step.REMIND if _is_of_a_reminder(asked["Name"]) else Step.CREATE_SCHEDULE
        case "Search":
            return _search(asked, so_far)
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


def _search(asked: Mapping[str, Any], so_far: SoFar) -> Step:
    """Name a search of the sweep. It asks for what waits in the same words as its breaker does."""
    names = {one["Name"] for one in asked["SearchExpression"]["Filters"]}
    if "TrainingJobName" in names:
        return Step.FIND_PROBE if so_far.probe in {"", _name_in(asked)} else Step.FIND_TRIAL
    if "Tags.resilience:again" in names:
        return Step.FIND_AGAIN
    if "Tags.resilience:verdict" in names:
        return Step.FIND_HELD if so_far.is_open and not so_far.went_on else Step.FIND_WAITING
    return Step.FIND_UNJUDGED if so_far.went_on else Step.COUNT_DEATHS


def _name_in(asked: Mapping[str, Any]) -> str:
    return str(asked["SearchExpression"]["Filters"][0]["Value"])
