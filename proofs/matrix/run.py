"""One cell from its beginning to the quiet after it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO

from local.doubts import KNOWN, Doubts
from local.replaying.event import captured
from proofs.matrix import deployment, story
from proofs.matrix.deployment import GRACE
from proofs.matrix.faults import Fault
from proofs.matrix.line import Plan
from proofs.matrix.queue import Message
from proofs.matrix.situations import ORDERS, Order, Situation, open_, play
from proofs.matrix.stage import Connections, Stage
from proofs.matrix.steps import Step
from proofs.matrix.story import process_of
from proofs.matrix.subject import creates_refused_first
from resilience.decide.breaker import Breaker, Circuit

_MOST_ROUNDS = 60
_UNNUMBERED = 1_000_000
_SWEEP_EVERY = 900


@dataclass(frozen=True, slots=True)
class Cell:
    step: Step
    fault: Fault
    situation: Situation

    def __str__(self) -> str:
        return f"{self.step} / {self.fault} / {self.situation}"


@dataclass(frozen=True, slots=True)
class Rest:
    """How everything stands after the second sweep."""

    statuses: Mapping[str, str]  # of each job
    tags: Mapping[str, Mapping[str, str]]  # of each job
    born: Mapping[str, int]  # of each job, when it was created
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Run:
    """What happened in a world until nothing happened any more."""

    stage: Stage
    lines: tuple[str, ...]
    repeated_from: int  # place in the history from which everything was only repeated
    rest: Rest
    hit: bool = True  # the fault did strike


def runs_of(cell: Cell, connections: Connections, doubts: Doubts = KNOWN) -> Iterator[Run]:
    for order in ORDERS.get(cell.situation, (Order.BEFORE,)):
        yield run(cell, connections, order, doubts)


def run(
    cell: Cell, connections: Connections, order: Order = Order.BEFORE, doubts: Doubts = KNOWN
) -> Run:
    plan = Plan(cell.step, cell.fault, process_of(cell.step))
    if cell.step is Step.CREATE:
        plan.spared = creates_refused_first(doubts)

    def script(stage: Stage) -> None:
        open_(stage, cell.situation, cell.step)
        stage.line.plans.append(plan)
        play(stage, cell.situation, cell.step, order)

    return replace(until_quiet(connections, script, doubts), hit=plan.attempts > 0)


def until_quiet(
    connections: Connections, script: Callable[[Stage], None], doubts: Doubts = KNOWN
) -> Run:
    """Play a script; then heal everything, and go on until nothing is left to be done."""
    with captured() as printed, deployment.entry_wired_here():
        stage = Stage(connections, doubts=doubts)
        script(stage)
        return come_to_rest(stage, printed)


def come_to_rest(stage: Stage, printed: StringIO, *, redrives: bool = True) -> Run:
    settle(stage, redrives=redrives)
    if stage.switch_on():
        settle(stage, redrives=redrives)
    repeated_from = len(stage.line.history)
    _sweep(stage)
    rest = rest_of(stage)
    _say_all_again(stage)
    return Run(stage, tuple(printed.getvalue().splitlines()), repeated_from, rest)


def settle(stage: Stage, *, redrives: bool) -> None:
    """No more faults: redeliver until quiet, let waits pass, redrive, and sweep."""
    stage.line.plans.clear()
    stage.line.skew = 0
    _wait(stage)
    if redrives:
        stage.queue.redrive()
    work_off(stage)
    _sweep(stage)
    if stage.doubts.tags_lag:  # an attempt that fails before its tags are there costs a sweep
        _sweep(stage)


def work_off(stage: Stage) -> None:
    """Take every message until none is left; what is under way late arrives after the next."""
    for _ in range(_MOST_ROUNDS):
        taken = stage.receive()
        stage.line.land_late()
        if taken is not None:
            continue
        visible_at = stage.queue.next_visible()
        if visible_at is None:
            return
        stage.pass_by(max(1, visible_at - stage.clock()))
    raise AssertionError("the queue never empties")


def _sweep(stage: Stage) -> None:
    stage.pass_by(GRACE)
    stage.sweep()
    _wait(stage)


def rest_of(stage: Stage) -> Rest:
    account = stage.account
    return Rest(
        statuses={
            name: (job.described.now or {}).get("TrainingJobStatus", "")
            for name, job in account.jobs.items()
        },
        tags={name: dict(account.standing(name)) for name in account.jobs},
        born={name: int(job.created) for name, job in account.jobs.items()},
        breaker=stage.breaker,
    )


def _say_all_again(stage: Stage) -> None:
    bodies = dict.fromkeys(stage.queue.sent)
    for number, body in enumerate(bodies):
        stage.take(Message(_UNNUMBERED + number, body))


def _wait(stage: Stage) -> None:
    """Take up what is there, and what waits for its time or for the breaker."""
    for _ in range(_MOST_ROUNDS):
        work_off(stage)
        if stage.account.mode.now == "act" and stage.breaker.state is not Circuit.CLOSED:
            story.begin_all(stage)
            stage.pass_by(_SWEEP_EVERY)
            stage.sweep()
            continue
        due = stage.account.next_due()
        overdue = min(map(int, stage.waits()), default=None)
        if due is not None:
            stage.pass_by(max(1, int(due) - stage.clock()))
        elif overdue is not None:
            stage.pass_by(max(1, overdue + GRACE - stage.clock()))
            stage.sweep()
        else:
            return
    raise AssertionError("a wait never ends")
