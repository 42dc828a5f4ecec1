"""A ledger as text: short enough for a tag, and the same in every release."""

import pytest

from resilience.decide.decisions import Ledger, Policy
from resilience.failures import FailureClass
from resilience.wire import lineage_tags

SECOND = {
    "resilience:root": "root",
    "resilience:attempt": "2",
    "resilience:checkpoint": "none",
    "resilience:checkpoint-step": "0",
}


@pytest.mark.parametrize(
    ("ledger", "text"),
    [
        (Ledger(), "new"),
        (Ledger(ends=(("data", 1), ("timeout", 12))), "data=1 timeout=12"),
        (Ledger(best=0, seen=0), "best=0 seen=0"),
        (Ledger(same=1, place="0123abcd"), "same=1 place=0123abcd"),
        (Ledger(place="0123abcd"), "place=0123abcd"),
        (
            Ledger(unpaid=1, without_work=2, by_program=4, lost_seconds=3),
            "unpaid=1 without-work=2 by-program=4 lost=3",
        ),
    ],
)
def test_a_ledger_is_written_as_words_without_those_that_say_nothing(
    ledger: Ledger, text: str
) -> None:
    """Its form never changes between releases, or a running lineage would lose count."""
    assert lineage_tags.ledger_text(ledger) == text
    assert lineage_tags.read("root-r2", SECOND | {"resilience:ledger": text}).ledger == ledger


def test_the_ledger_of_the_longest_lineage_fits_into_a_tag() -> None:
    """Nine ends of every class that a relaunched attempt can end by, and of two ten thousand."""
    classes = [str(name) for name in FailureClass if name is not FailureClass.STOPPED_BY_USER]
    ends = dict.fromkeys(classes, 9) | {"interrupted": 9999, "timeout": 9999}
    full = Ledger(
        ends=tuple(sorted(ends.items())),
        unpaid=Policy().max_jobs - 1,
        without_work=Policy().max_without_work - 1,
        by_program=Policy().max_without_work - 1,
        lost_seconds=Policy().max_lost_seconds,
        same=2,
        place="0123abcd",
        best=10**9 - 1,
        seen=99_999,
    )
    assert len(lineage_tags.ledger_text(full)) <= 256
