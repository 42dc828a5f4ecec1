"""Which cells there are, which cannot be and why, and what became of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from proofs.matrix.faults import HAVE_QUOTAS, Fault
from proofs.matrix.invariants import Record, violations
from proofs.matrix.run import Cell, Run, runs_of
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import OF_THE_SWEEP, WRITES, Step


def impossible(cell: Cell) -> str | None:
    return next(_impossible(cell), None)


def _impossible(cell: Cell) -> Iterator[str]:
    step, fault, situation = cell.step, cell.fault, cell.situation
    if fault is Fault.STALE and step in WRITES:
        yield "a write reads nothing"
    if fault is Fault.QUOTA and step not in HAVE_QUOTAS:
        yield "the operation has no quota but its rate, which is the throttle"
    if fault in {Fault.GARBLED_AFTER, Fault.CRASH_AFTER} and False:
        yield ""
    if step is Step.QUARANTINE and situation not in _OF_A_MESSAGE:
        yield "an unreadable message names no job"
    if step in OF_THE_SWEEP and situation not in _OF_THE_SWEEP:
        yield "no sweep has a part in it"
    if situation is Situation.JOB_STOPPED and step in _AFTER_A_VERDICT_TO_ACT:
        yield "a job that a person stopped is ignored: the call is not made"
    

_OF_A_MESSAGE = frozenset({Situation.SINGLE, Situation.CONCURRENT, Situation.REDRIVEN})
_OF_THE_SWEEP = frozenset(
    {
        Situation.LOST,
        Situation.RACING,
        Situation.JOB_OFF,
        Situation.STACK_OFF,
        Situation.JOB_STOPPED,
    }
)
_AFTER_A_VERDICT_TO_ACT = frozenset(
    {
        Step.CREATE,
        Step.ADJUDICATE,
        Step.CREATE_SCHEDULE,
        Step.GET_SCHEDULE,
        Step.PUBLISH,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    cell: Cell
    violated: tuple[str, ...]
    runs: int
    worst: Run | None  # of those that violate, the shortest


def all_cells() -> Iterator[Cell]:
    return (Cell(*one) for one in product(Step, Fault, Situation))


def judge(cell: Cell, connections: Connections) -> Outcome:
    """Run a cell, in each of its orders."""
    runs = list(runs_of(cell, connections))
    bad = [(run, found) for run in runs if (found := _violated(cell, run))]
    bad.sort(key=lambda one: one[0].repeated_from)
    violated, worst = (bad[0][1], bad[0][0]) if bad else ((), None)
    return Outcome(cell, violated, len(runs), worst)


def record_of(run: Run, *, forgiven_deletion: bool = False) -> Record:
    line = run.stage.line
    return Record(
        history=tuple(line.history),
        account=run.stage.account,
        lines=run.lines,
        canaries=run.stage.canaries,
        repeated_from=run.repeated_from,
        forgiven_deletion=forgiven_deletion,
    )


def _violated(cell: Cell, run: Run) -> tuple[str, ...]:
    if not run.hit:
        return (f"the call was never made: {cell.step}",)
    untold = cell.situation is Situation.DELETED_UNTOLD
    return violations(record_of(run, forgiven_deletion=untold))
