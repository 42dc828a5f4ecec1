"""A ledger as text: short enough for a tag, and the same in every release."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.decisions import Ledger
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
        (Ledger(same=1, place="0123abcd", after=700), "same=1 after=700 place=0123abcd"),
        (Ledger(refused=1), "refused=1"),
        (Ledger(place="0123abcd"), "place=0123abcd"),
        (
            Ledger(unpaid=1, without_work=2, by_program=4, lost_seconds=3),
            "unpaid=1 row=2 code=4 lost=3",
        ),
    ],
)
def test_a_ledger_is_written_as_words_without_those_that_say_nothing(
    ledger: Ledger, text: str
) -> None:
    """Its form never changes between releases, or a running lineage would lose count."""
    assert lineage_tags.ledger_text(ledger) == text
    assert lineage_tags.read("root-r2", SECOND | {"resilience:ledger": text}).ledger == ledger


def test_a_ledger_that_leaves_no_word_out_is_read_as_it_was_written() -> None:
    ends = tuple(sorted((str(one), 1) for one in FailureClass))
    full = Ledger(
        ends=ends,
        refused=1,
        unpaid=2,
        without_work=3,
        by_program=4,
        lost_seconds=5,
        same=6,
        place="0123abcd",
        after=7,
        best=8,
        seen=9,
    )
    text = {"resilience:ledger": lineage_tags.ledger_text(full)}
    assert lineage_tags.read("root-r2", SECOND | text).ledger == full


CLASSES = [str(one) for one in FailureClass if one is not FailureClass.STOPPED_BY_USER]
# The largest numbers that template.yaml permits; SageMaker lets no job run for more than 28 days.
MOST_JOBS, MOST_LOST, LONGEST_JOB = 1000, 31_536_000, 28 * 86_400


@given(data=st.data())
def test_the_ledger_of_the_largest_permitted_numbers_fits_into_a_tag(data: st.DataObject) -> None:
    """Nine ends of every class that a relaunched attempt can end by, and of two ten thousand.

    Only those two can end attempts that work, time and again, for as long as a training lasts.
    """
    up_to = {"interrupted": 9999, "timeout": 9999}
    draw = data.draw
    counts = {name: draw(near(up_to.get(name, 9)), label=name) for name in CLASSES}
    largest = Ledger(
        ends=tuple(sorted(counts.items())),
        unpaid=draw(near(MOST_JOBS - 1)),
        without_work=draw(near(MOST_JOBS - 1)),
        by_program=draw(near(MOST_JOBS - 1)),
        lost_seconds=draw(near(MOST_LOST)),
        same=draw(near(9)),
        place="0123abcd",
        after=draw(near(LONGEST_JOB)),
        best=draw(near(10**9 - 1)),
        seen=draw(near(99_999)),
    )
    assert len(lineage_tags.ledger_text(largest)) <= 256
    text = {"resilience:ledger": lineage_tags.ledger_text(largest)}
    assert lineage_tags.read("root-r2", SECOND | text).ledger == largest


def near(most: int) -> st.SearchStrategy[int]:
    return st.just(most) | st.integers(1, most)
