"""What a cell does not show by itself, because it is assumed of the world."""

from collections.abc import Iterator

from proofs.matrix.faults import Fault
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.steps import Step


def assumptions(cell: Cell) -> Iterator[tuple[str, str]]:
    """The invariants that do not hold in this cell by themselves, and what is assumed instead."""
    if cell.situation is Situation.DELETED_UNTOLD:
        yield "I1", "a successor deleted before its parent's verdict frees the name (ADR 1)"
    if (cell.step, cell.fault) == (Step.ADD_TAGS, Fault.GARBLED):
        yield "I7", "AddTags that answers 200 has had its effect; the sweep makes up for it if not"
    stale_tags = cell.fault is Fault.STALE and cell.step in {Step.LIST_TAGS, Step.LIST_MORE_TAGS}
    if stale_tags and cell.situation is Situation.JOB_OFF:
        yield "I8", "ListTags shows a tag that a person set before it was asked"
    stale_mode = (cell.step, cell.fault) == (Step.READ_SWITCHES, Fault.STALE)
    if stale_mode and cell.situation is Situation.STACK_OFF:
        yield "I8", "GetParameters shows a mode that was set before it was asked"
