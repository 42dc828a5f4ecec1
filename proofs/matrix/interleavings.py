"""Two workers with one message, in every order with at most two changes of who runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proofs.matrix import story as told
from proofs.matrix.cells import record_of
from proofs.matrix.faults import Fault
from proofs.matrix.invariants import violations
from proofs.matrix.line import Plan
from proofs.matrix.run import Run, until_quiet
from proofs.matrix.stage import Connections, Stage
from proofs.matrix.steps import Step
from proofs.matrix.story import Story
from proofs.matrix.turns import Worker, taking_turns

# Where it matters who goes first: what one of them writes, and what the other reads of that. All
# other calls may change places without anybody seeing it.
_MEET_AT = frozenset(
    {
        Step.LIST_TAGS,
        Step.CREATE,
        Step.ADJUDICATE,
        Step.LOOK_AGAIN,
        Step.GET_SCHEDULE,
        Step.ADD_TAGS,
        Step.REMIND,
        Step.CREATE_SCHEDULE,
        Step.LOOK_TWICE,
    }
)
_LONGEST = 40  # legs; no way of one message has so many


@dataclass(frozen=True, slots=True)
class Meeting:
    """What the two workers find, and what goes wrong for the first of them."""

    story: Story
    step: Step | None = None
    fault: Fault | None = None

    def __str__(self) -> str:
        wrong = f", {self.step}: {self.fault}" if self.fault else ""
        return f"{self.story}{wrong}"


# The pairs of ends that two workers may come to: the same, or one launches and one holds.
MEETINGS = (
    Meeting(Story.RELAUNCH),
    Meeting(Story.RELAUNCHED),
    Meeting(Story.WAIT),
    Meeting(Story.RELAUNCH, Step.ASK_WANDB, Fault.SERVER_ERROR),
    Meeting(Story.RELAUNCH, Step.CREATE, Fault.BAD_REQUEST),
    Meeting(Story.RELAUNCH, Step.CREATE, Fault.THROTTLED),
    Meeting(Story.RELAUNCHED, Step.ASK_WANDB, Fault.SERVER_ERROR),
)


@dataclass(frozen=True, slots=True)
class Turns:
    """The first goes so many legs, the second so many, the first its others, the second its.

    A leg ends before the next call at which the two may meet.
    """

    first: int
    second: int


def orders(meeting: Meeting, connections: Connections) -> Iterator[tuple[Turns, tuple[str, ...]]]:
    """Each order, with what it violates; it ends where a worker has come to its end."""
    for first in range(_LONGEST):
        for second in range(_LONGEST):
            turns = Turns(first, second)
            run, ended = _meet(meeting, turns, connections)
            yield turns, violations(record_of(run))
            if ended.second:
                break
        if ended.first:
            return


@dataclass(slots=True)
class _Ended:
    first: bool = False
    second: bool = False


def _meet(meeting: Meeting, turns: Turns, connections: Connections) -> tuple[Run, _Ended]:
    ended = _Ended()

    def script(stage: Stage) -> None:
        told.train(stage)
        told.fail(stage, meeting.story)
        stage.queue.send(told.message(stage, meeting.story))
        told.earlier_try(stage, meeting.story)
        if meeting.step is not None and meeting.fault is not None:
            stage.line.plans.append(Plan(meeting.step, meeting.fault))
        message = stage.queue.receive(stage.clock())
        if message is None:
            raise AssertionError("no message")
        first, second = (Worker(_taking(stage, message.number, name)) for name in "AB")
        with taking_turns(stage.line.on_request, first, second):
            ended.first = go(first, turns.first)
            ended.second = go(second, turns.second)
            first.to_the_end()
            second.to_the_end()

    return until_quiet(connections, script), ended


def _taking(stage: Stage, number: int, process: str) -> Callable[[], None]:
    message = stage.queue.waiting[number]

    def take() -> None:
        stage.take(message, process)

    return take


def go(worker: Worker, legs: int) -> bool:
    """Let a worker go so many legs; whether it has come to its end."""
    for _ in range(legs):
        worker.step()
        while worker.at not in _MEET_AT and not worker.done:
            worker.step()
    return worker.done
