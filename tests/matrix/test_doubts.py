"""The matrix under the open beliefs about AWS: the controller holds whichever way each is."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import pytest

from local.doubts import KNOWN, Doubts, flipped
from proofs.matrix.cells import all_cells, impossible, judge
from proofs.matrix.doubts import EVERY_ONE, settings, without_a_setting
from proofs.matrix.faults import Fault
from proofs.matrix.line import Call
from proofs.matrix.run import Cell, runs_of
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import Step
from proofs.matrix.trace import trace

POSSIBLE = sorted(
    (cell for cell in all_cells() if impossible(cell) is None),
    key=lambda cell: (cell.step, cell.fault),
)
EVERY = 6


def _one_each(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Each call with each fault, in one situation or another; `make matrix` runs all of them."""
    for number, (_, same) in enumerate(groupby(cells, lambda one: (one.step, one.fault))):
        situations = list(same)
        yield situations[number % len(situations)]


ROWS = [
    pytest.param(list(cells), id=step)
    for step, cells in groupby(_one_each(POSSIBLE), lambda one: one.step)
]
# The others are run one by one by `make matrix`.
ALONE = ("list-tags-of-missing=denied", "metrics-injected")


def broken(cells: list[Cell], connections: Connections, doubts: Doubts) -> list[str]:
    outcomes = (judge(cell, connections, doubts) for cell in cells)
    return [
        "\n".join([str(one.cell), *one.violated, *(trace(one.worst) if one.worst else ())])
        for one in outcomes
        if one.violated
    ]


@pytest.mark.parametrize("cells", ROWS)
def test_nothing_that_may_never_happen_happens_with_every_doubt_flipped(
    cells: list[Cell], connections: Connections
) -> None:
    assert broken(cells, connections, EVERY_ONE) == []


@pytest.mark.parametrize("name", ALONE)
def test_a_doubt_that_needs_a_world_of_its_own_holds_there(
    name: str, connections: Connections
) -> None:
    (setting,) = (one for one in settings() if one.name == name)
    assert broken(list(setting.cells())[::EVERY], connections, setting.doubts) == []


def test_every_call_meets_every_fault_and_every_situation_under_doubts() -> None:
    ran = list(_one_each(POSSIBLE))
    assert {(one.step, one.fault) for one in ran} == {(one.step, one.fault) for one in POSSIBLE}
    assert {one.situation for one in ran} == set(Situation)


def test_every_doubt_that_a_call_can_meet_has_its_cells() -> None:
    assert without_a_setting() == set()
    assert all(list(setting.cells()) for setting in settings())


ONE = Cell(Step.PUBLISH, Fault.LOST_RESPONSE, Situation.SINGLE)


def creates(connections: Connections, doubts: Doubts) -> list[Call]:
    (run,) = runs_of(ONE, connections, doubts)
    history = run.stage.line.history
    return [one for one in history if isinstance(one, Call) and one.step is Step.CREATE]


def test_the_doubts_show_in_the_training_job_of_the_matrix(connections: Connections) -> None:
    """Or the cells above would hold because nothing is other than usual."""
    (usual,) = creates(connections, KNOWN)
    (other,) = creates(connections, EVERY_ONE)
    resources = [one.asked["ResourceConfig"] for one in (usual, other)]
    assert ["InstanceGroups" in one for one in resources] == [False, True]
    assert "InstanceCount" not in resources[1]
    assert not any(one["Key"].startswith("sagemaker:") for one in other.asked["Tags"])
    refused, accepted = creates(connections, flipped(["metrics-injected"]))
    assert (refused.refused, accepted.refused) == ("ValidationException", None)
    assert "MetricDefinitions" in refused.asked["AlgorithmSpecification"]
