"""Which cells there are, which cannot be and why, and what became of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from local.doubts import KNOWN, Doubts
from proofs.matrix import replay
from proofs.matrix.assumptions import assumptions
from proofs.matrix.faults import HAVE_QUOTAS, Fault
from proofs.matrix.invariants import violations
from proofs.matrix.record import Record
from proofs.matrix.run import Cell, Run, runs_of
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import OF_THE_SWEEP, WRITES, Step

_SAME_OF_A_READ = {Fault.CRASH_AFTER: Fault.CRASH_BEFORE, Fault.GARBLED_AFTER: Fault.GARBLED}
_OF_A_MESSAGE = frozenset({Situation.SINGLE, Situation.CONCURRENT, Situation.REDRIVEN})
_WITH_A_SWEEP = frozenset(
    {
        Situation.LOST,
        Situation.RACING,
        Situation.JOB_OFF,
        Situation.STACK_OFF,
        Situation.JOB_STOPPED,
    }
)
_OF_A_NAME_IN_USE = frozenset({Step.ADJUDICATE, Step.LOOK_AGAIN})
_TO_LAUNCH_OR_HOLD = _OF_A_NAME_IN_USE | {
    Step.CREATE,
    Step.GET_SCHEDULE,
    Step.PUBLISH,
    Step.REMIND,
    Step.CREATE_SCHEDULE,
    Step.LOOK_TWICE,
}
_OF_WHAT_IS_HELD = frozenset({Step.FIND_PROBE, Step.FIND_TRIAL, Step.ASK_TO_TRY})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell; `worst` is the shortest of its runs that violate something."""

    cell: Cell
    violated: tuple[str, ...]
    runs: int
    worst: Run | None


def all_cells() -> Iterator[Cell]:
    return (Cell(*one) for one in product(Step, Fault, Situation))


def impossible(cell: Cell) -> str | None:
    """Say why there can be no such cell; None where there is one."""
    return next(_impossible(cell), None)


def _impossible(cell: Cell) -> Iterator[str]:
    step, fault, situation = cell.step, cell.fault, cell.situation
    if fault is Fault.STALE and step in WRITES:
        yield "a write reads nothing; that names are unique at once is an assumption"
    if step not in WRITES and fault in _SAME_OF_A_READ:
        yield f"a read has no effect: the same as {_SAME_OF_A_READ[fault]}"
    if fault is Fault.QUOTA and step not in HAVE_QUOTAS:
        yield "the operation has no quota but its rate, and that is the throttle"
    if step is Step.QUARANTINE and situation not in _OF_A_MESSAGE:
        yield "an unreadable message names no job"
    if step in OF_THE_SWEEP and situation not in _WITH_A_SWEEP:
        yield "the sweep has no part in it"
    if situation is Situation.JOB_STOPPED and step in _OF_WHAT_IS_HELD:
        yield "a job that a person stopped is ignored: the breaker holds nothing"
    if situation is Situation.JOB_STOPPED and step in _TO_LAUNCH_OR_HOLD:
        yield "a job that a person stopped is ignored: the call is not made"
    if situation is Situation.DELETED_UNTOLD and step in _OF_A_NAME_IN_USE:
        yield "the name is free again: the create succeeds, and there is nobody to ask about"


def judge(cell: Cell, connections: Connections, doubts: Doubts = KNOWN) -> Outcome:
    """Run a cell, in each of its orders."""
    runs = list(runs_of(cell, connections, doubts))
    bad = [(found, run) for run in runs if (found := violated(cell, run))]
    found, worst = min(bad, key=lambda one: one[1].repeated_from, default=((), None))
    return Outcome(cell, found, len(runs), worst)


def violated(cell: Cell, run: Run) -> tuple[str, ...]:
    """The invariants that a run violates; as AWS likely is, the model must know the run as well."""
    if not run.hit:
        return (f"the call was never made: {cell.step}",)
    record = record_of(run, frozenset(name for name, _ in assumptions(cell)))
    unknown = replay.of_cell(cell, record) if run.stage.doubts == KNOWN else None
    return (*violations(record), *([f"model: {unknown}"] if unknown else []))


def record_of(run: Run, forgiven: frozenset[str] = frozenset()) -> Record:
    line = run.stage.line
    return Record(
        history=tuple(line.history),
        rest=run.rest,
        lines=run.lines,
        canaries=run.stage.canaries,
        repeated_from=run.repeated_from,
        forgiven=forgiven,
    )
