"""The runbook has a section for every reason that an operator can read in a log line."""

import re
from pathlib import Path

from resilience.decide.decisions import Reason

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def test_every_reason_has_its_section_and_no_section_is_left_over() -> None:
    sections = re.findall(r"^### (\S+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert sorted(sections) == sorted(Reason)
