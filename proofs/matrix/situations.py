"""The situations that a fault may fall into, each as a script."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from proofs.matrix import story as told
from proofs.matrix.deployment import GRACE
from proofs.matrix.line import Call, Delivery
from proofs.matrix.queue import Message
from proofs.matrix.stage import Stage
from proofs.matrix.steps import OF_THE_SWEEP, Step
from proofs.matrix.story import JOB, Story
from proofs.matrix.turns import Worker, taking_turns

FORTNIGHT = 14 * 86_400


class Situation(StrEnum):
    SINGLE = "single"
    CONCURRENT = "concurrent, same message"
    SECOND_EVENT = "second event, new id"
    OUT_OF_ORDER = "out of order"
    LOST = "lost event, then sweep"
    RACING = "sweep races event"
    REDRIVEN = "redriven after 14 days"
    SUCCESSOR_STOPPED = "person stops successor"
    JOB_OFF = "person switches job off"
    STACK_OFF = "person switches stack off"
    JOB_STOPPED = "person stopped the job"
    SUCCESSOR_FAILED = "successor failed already"
    SUCCESSOR_DELETED = "successor deleted"
    DELETED_UNTOLD = "successor deleted before verdict"


class Order(StrEnum):
    """Of two at once: the other runs from its start to its end just before the call, or after."""

    BEFORE = "the other just before"
    AFTER = "the other just after"
    BEFORE_VERDICT = "the other before the verdict is tagged"


ORDERS = {
    Situation.CONCURRENT: tuple(Order),
    Situation.RACING: (Order.BEFORE, Order.AFTER),
}


def open_(stage: Stage, situation: Situation, step: Step) -> None:
    """Bring about all that is so before the fault."""
    story = told.story_of(step)
    told.train(stage)
    if situation is Situation.OUT_OF_ORDER:
        stage.queue.send(told.event(stage, number=0, status="Failed"))
        stage.receive("B")
    if situation is Situation.JOB_STOPPED:
        told.stop(stage, JOB)
    elif story is not Story.MALFORMED:
        told.fail(stage, story)
    told.fleet_acts(stage, story)
    _have_people_act(stage, situation, step)
    if _begins_with_sweep(situation, step):
        stage.pass_by(GRACE)
        if step not in OF_THE_SWEEP:
            stage.sweep()
    else:
        stage.queue.send(told.message(stage, story))
    told.earlier_try(stage, story)
    if situation is Situation.SECOND_EVENT:
        stage.queue.send(told.message(stage, story, number=2))


def play(stage: Stage, situation: Situation, step: Step, order: Order) -> None:
    """Go through the situation; the fault is armed."""
    match situation:
        case Situation.CONCURRENT:
            _two_at_once(stage, step, order)
        case Situation.RACING:
            _sweep_and_event_at_once(stage, step, order)
        case Situation.SECOND_EVENT:
            stage.receive()
            stage.receive()
        case Situation.OUT_OF_ORDER:
            stage.queue.send(told.event(stage, number=3, status="InProgress"))
            stage.receive()
            stage.receive()
        case Situation.REDRIVEN:
            _redrive(stage)
        case _:
            if step in OF_THE_SWEEP:
                stage.sweep()
            stage.receive()


def _begins_with_sweep(situation: Situation, step: Step) -> bool:
    if situation in ORDERS:
        return False
    return situation is Situation.LOST or step in OF_THE_SWEEP


def _redrive(stage: Stage) -> None:
    """Five receives failed, or a person replays it: two weeks later it is there again."""
    message = stage.queue.receive(stage.clock())
    if message is None:
        raise AssertionError("no message to bury")
    stage.take(message)
    if message.number in stage.queue.waiting:
        stage.queue.bury(message)
    else:
        stage.queue.send(message.body)
    stage.line.land_late()
    stage.pass_by(FORTNIGHT)
    stage.queue.redrive()
    stage.receive()


def _two_at_once(stage: Stage, step: Step, order: Order) -> None:
    message = _received(stage)
    first = Worker(lambda: _discard(stage.take(message, "A")))
    second = Worker(lambda: _discard(stage.take(message, "B")))
    meet(stage, first, second, step, order)


def _sweep_and_event_at_once(stage: Stage, step: Step, order: Order) -> None:
    message = _received(stage)
    stage.pass_by(GRACE)
    event = Worker(lambda: _discard(stage.take(message, "A")))
    sweep = Worker(lambda: _sweep_and_take(stage))
    first, second = (sweep, event) if step in OF_THE_SWEEP else (event, sweep)
    meet(stage, first, second, step, order)


def _sweep_and_take(stage: Stage) -> None:
    stage.sweep()
    stage.receive("B")


def _received(stage: Stage) -> Message:
    message = stage.queue.receive(stage.clock())
    if message is None:
        raise AssertionError("no message")
    return message


def _discard(_: object) -> None:
    pass


def meet(stage: Stage, first: Worker, second: Worker, step: Step, order: Order) -> None:
    """Have the second run whole when the first is at the step, or is just past it."""
    until = Step.ADD_TAGS if order is Order.BEFORE_VERDICT else step
    with taking_turns(stage.line.on_request, first, second):
        first.step()
        while first.at is not until and not first.done:
            first.step()
        while order is Order.AFTER and first.at is step:
            first.step()
        second.to_the_end()
        first.to_the_end()


def _have_people_act(stage: Stage, situation: Situation, step: Step) -> None:
    switches: dict[Situation, Callable[[], None]] = {
        Situation.JOB_OFF: lambda: stage.switch_off(JOB),
        Situation.STACK_OFF: stage.switch_off,
    }
    if situation in switches:
        stage.line.on_request.append(_once_at(step, switches[situation]))
    upon: dict[Situation, Callable[[Call], None]] = {
        Situation.SUCCESSOR_STOPPED: lambda call: _end_successor(stage, call, stopped=True),
        Situation.SUCCESSOR_FAILED: lambda call: _end_successor(stage, call, stopped=False),
        Situation.SUCCESSOR_DELETED: lambda call: _delete_when_told(stage, call),
        Situation.DELETED_UNTOLD: lambda call: _delete_at_once(stage, call),
    }
    if situation in upon:
        stage.line.on_effect.append(upon[situation])


def _once_at(step: Step, act: Callable[[], None]) -> Callable[[Delivery, Step], None]:
    acted: list[Step] = []

    def at(_: Delivery, now_at: Step) -> None:
        if now_at is step and not acted:
            acted.append(step)
            act()

    return at


def _made(call: Call) -> str | None:
    """The successor that has just come into being."""
    made: Any = call.asked["TrainingJobName"] if call.step is Step.CREATE else None
    return made if made == told.SUCCESSOR else None


def _end_successor(stage: Stage, call: Call, *, stopped: bool) -> None:
    name = _made(call)
    if name is None:
        return
    if stopped:
        told.stop(stage, name)
    else:
        told.fail(stage, job=name)
    stage.queue.send(told.event(stage, name))


def _delete_when_told(stage: Stage, call: Call) -> None:
    verdict = {"Key": "resilience:verdict", "Value": "RELAUNCH"}
    if call.step is Step.ADD_TAGS and verdict in call.asked["Tags"] and call.delivery.job == JOB:
        _stop_and_delete(stage, told.SUCCESSOR)


def _delete_at_once(stage: Stage, call: Call) -> None:
    name = _made(call)
    if name is not None and not any(one.what == "deleted" for one in stage.acts()):
        _stop_and_delete(stage, name)


def _stop_and_delete(stage: Stage, name: str) -> None:
    if name in stage.account.jobs:
        told.stop(stage, name)
        stage.account.delete(name)
        stage.act("deleted", name)
