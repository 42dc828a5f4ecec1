"""The matrix notices every change of the order and of the effects of the controller's loop."""

import pytest

from proofs.matrix.stage import Connections
from tests.matrix.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_of_the_loop_is_noticed(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, connections: Connections
) -> None:
    assert mutant.run(connections) == ()
    mutant.installed(monkeypatch)
    found = mutant.run(connections)
    assert any(mutant.by in text for text in found), found
