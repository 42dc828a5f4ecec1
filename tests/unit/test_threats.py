"""docs/threats.md names the tests that show what it says; they are there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SECTIONS = (REPOSITORY / "docs" / "threats.md").read_text(encoding="utf-8").split("\n### ")[1:]
TESTS = {
    name
    for path in (REPOSITORY / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0])
def test_every_threat_names_tests_that_are_there(section: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", section))
    assert named
    assert named <= TESTS
