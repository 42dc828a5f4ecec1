"""The breaker's state as the parameter holds it: what the sweep writes, and what a person types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.breaker import OPEN_SECONDS, UNREADABLE, Breaker, Circuit, is_due
from resilience.wire.switches import breaker_of, text_of
from tests.unit.strategies import BREAKERS

WRITTEN = 4_000_000_000


@given(breaker=BREAKERS)
def test_what_the_sweep_writes_is_read_as_it_was(breaker: Breaker) -> None:
    assert breaker_of(text_of(breaker), WRITTEN) == breaker


@pytest.mark.parametrize("word", ["closed", " Closed\n", "CLOSED"])
def test_a_person_closes_it_with_one_word_and_its_moment_counts(word: str) -> None:
    assert breaker_of(word, WRITTEN) == Breaker(since=WRITTEN)


def test_a_person_opens_it_with_one_word_for_all() -> None:
    breaker = breaker_of("open", WRITTEN)
    assert breaker == Breaker(state=Circuit.OPEN, since=WRITTEN)
    assert breaker.holds("a-job", "user_code/0123abcd")


def test_what_has_its_default_is_not_written() -> None:
    assert text_of(Breaker(since=1_769_828_400)) == (
        '{"state": "closed", "since": "2026-01-31T03:00:00Z"}'
    )


def test_a_state_without_its_moment_began_when_it_was_written() -> None:
    assert breaker_of('{"state": "closed"}', WRITTEN) == Breaker(since=WRITTEN)


def test_the_longest_death_that_counts_is_a_day() -> None:
    text = '{"state": "closed", "died_within": 86400}'
    assert breaker_of(text, WRITTEN) == Breaker(since=WRITTEN, died_within=86_400)


HOSTILE = [
    "",
    "clsoed",
    "[]",
    "null",
    "{}",
    '{"state": "ajar"}',
    '{"state": "open", "since": "yesterday"}',
    '{"state": "open", "since": ""}',
    '{"state": "closed", "died_within": -1}',
    '{"state": "closed", "died_within": 86401}',
    '{"state": "closed", "died_within": "12"}',
    '{"state": "closed", "died_within": 1e400}',
    '{"state": "closed", "cause": "see http://example.com"}',
    '{"state": "half_open", "probe": "a job?"}',
    '{"state": "closed"',
    "[" * 4000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_nobody_can_read_is_open_for_an_hour_and_not_for_ever(text: str) -> None:
    breaker = breaker_of(text, WRITTEN)
    assert breaker == Breaker(state=Circuit.OPEN, since=WRITTEN, cause=UNREADABLE)
    assert breaker.holds("a-job", "infrastructure")
    assert is_due(breaker, WRITTEN + OPEN_SECONDS)


@given(text=st.text(max_size=200))
def test_any_text_is_read_as_some_state(text: str) -> None:
    assert breaker_of(text, WRITTEN).since <= WRITTEN


def test_a_time_after_the_write_does_not_keep_it_open_for_ever() -> None:
    breaker = breaker_of('{"state": "open", "since": "2126-01-01T00:00:00Z"}', 1_800_000_000)
    assert breaker.since == 1_800_000_000
