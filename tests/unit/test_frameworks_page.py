"""The page of frameworks says what the table of layouts and the tests say."""

import pytest

from resilient_training.run.layouts import LAYOUTS
from resilient_training.run.rules import RULES
from tests.unit.frameworks_page import (
    COMPLETE,
    FOLDERS,
    NOTES,
    PAGE,
    PROOFS,
    ROOT,
    Proof,
    render,
)

NAMES = {layout.name for layout in LAYOUTS}


def test_the_page_is_what_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


def test_each_layout_and_each_rule_is_described() -> None:
    assert set(FOLDERS) == NAMES
    assert set(COMPLETE) == set(RULES)


def test_each_layout_says_how_it_resumes() -> None:
    assert {one.name for one in LAYOUTS if not one.resume} <= set(NOTES)


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"{proof.layout}-{proof.what}")
def test_each_proof_is_a_test_that_there_is(proof: Proof) -> None:
    assert proof.layout in NAMES
    assert f"def {proof.test}(" in (ROOT / proof.file).read_text(encoding="utf-8")
