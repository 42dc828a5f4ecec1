"""Each remote call, each fault, each situation: the real controller comes to rest and all holds."""

from itertools import groupby

import pytest

from proofs.matrix.cells import Outcome, all_cells, impossible, judge
from proofs.matrix.faults import Fault
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import Step
from proofs.matrix.trace import trace

POSSIBLE = sorted(
    (cell for cell in all_cells() if impossible(cell) is None),
    key=lambda cell: (cell.step, cell.situation, cell.fault),
)
ROWS = [
    pytest.param(list(cells), id=f"{step} / {situation}")
    for (step, situation), cells in groupby(POSSIBLE, lambda cell: (cell.step, cell.situation))
]


def _told(outcome: Outcome) -> str:
    lines = trace(outcome.worst) if outcome.worst else ()
    return "\n".join([str(outcome.cell), *outcome.violated, *lines])


@pytest.mark.parametrize("cells", ROWS)
def test_nothing_that_may_never_happen_happens(cells: list[Cell], connections: Connections) -> None:
    broken = [outcome for cell in cells if (outcome := judge(cell, connections)).violated]
    assert not broken, "\n\n".join(map(_told, broken))


def test_every_call_meets_every_fault_and_every_situation_or_says_why_not() -> None:
    cells = list(all_cells())
    assert len(cells) == len(Step) * len(Fault) * len(Situation)
    assert {cell.step for cell in POSSIBLE} == set(Step)
    assert {cell.fault for cell in POSSIBLE} == set(Fault)
    assert {cell.situation for cell in POSSIBLE} == set(Situation)
    assert len(POSSIBLE) > len(cells) / 2
