"""The matrix notices when an element of the protocol is taken out of the controller."""

import pytest

from proofs.matrix.cells import judge
from proofs.matrix.faults import Fault
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import Step
from resilience import controller
from tests.matrix import elements


def violated(cell: Cell, connections: Connections) -> set[str]:
    """The names of the invariants that the cell violates."""
    return {text.partition(":")[0] for text in judge(cell, connections).violated}


def test_a_name_that_is_not_a_function_of_the_attempt_makes_two_successors(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    elements.names_that_count(monkeypatch)
    cell = Cell(Step.PUBLISH, Fault.CRASH_BEFORE, Situation.SINGLE)
    assert "I1" in violated(cell, connections)


def test_a_name_in_use_that_is_taken_for_ours_unasked_hides_what_is_not(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    elements.no_adjudication(monkeypatch)
    cell = Cell(Step.CREATE, Fault.LOST_RESPONSE, Situation.SINGLE)
    assert "I12" in violated(cell, connections)


def test_without_a_question_after_the_tag_a_stop_hides_a_relaunch(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    monkeypatch.setattr(controller, "_verified", lambda facts, _: facts)
    cell = Cell(Step.CREATE, Fault.BAD_REQUEST, Situation.CONCURRENT)
    assert "I12" in violated(cell, connections)


def test_without_the_sweep_a_lost_event_leaves_a_job_without_a_verdict(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    elements.no_sweep(monkeypatch)
    cell = Cell(Step.DESCRIBE, Fault.STALE, Situation.SINGLE)
    assert {"I9"} <= violated(cell, connections)


def test_a_verdict_that_is_never_read_is_given_again_and_again(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    elements.no_reading_of_verdicts(monkeypatch)
    cell = Cell(Step.PUBLISH, Fault.LOST_RESPONSE, Situation.SINGLE)
    assert "I10" in violated(cell, connections)


def test_a_mode_that_is_not_read_brings_back_what_was_switched_off(
    monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    elements.no_reading_of_modes(monkeypatch)
    cell = Cell(Step.READ_SWITCHES, Fault.CRASH_BEFORE, Situation.JOB_OFF)
    assert "I8" in violated(cell, connections)
