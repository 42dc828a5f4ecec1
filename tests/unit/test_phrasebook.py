"""The language of phrases, and that each phrase of the failure rules speaks it."""

import re

import pytest

from resilience.failures.causes import CAUSES
from resilience.failures.phrasebook import Phrase, Phrasebook, words_of
from resilience.failures.rules import COLLECTIVE, QUOTA, THROTTLED
from resilience.failures.troubles import FALLBACK, TROUBLES

PHRASES = (*CAUSES.phrases, *TROUBLES.phrases, *FALLBACK.phrases)


def is_in(phrase: str, text: str) -> bool:
    words = words_of(text)
    return Phrasebook(f"quota = {phrase}").find(words, words.split()) is QUOTA


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("no space", "No  space-left!", True),
        ("no space", "nospace", False),
        ("no space", "casino space", False),
        ("a|b c", "b c", True),
        ("a|b c", "b", False),
        ("(a|b) c", "A: c", True),
        ("(a |)c", "c", True),
        ("exceed~ limit", "exceeds limit", True),
        ("exceed~ limit", "exceed limit", True),
        ("exceed~ limit", "unexceeded limit", False),
        ("one * two", f"one {'x' * 88} two", True),
        ("one * two", f"one {'x' * 92} two", False),
        ("one * two", "two one", False),
        ("exceed~|surpass * limit", "exceeds the limit", True),
        ("over|exceed~ * limit", "exceeds the limit", True),
        ("the (first|second~|third) is", "the seconds is", True),
        ("one & two", "two and one", True),
        ("one & two", "one", False),
    ],
)
def test_a_phrase_means_what_the_docstring_says(phrase: str, text: str, *, found: bool) -> None:
    assert is_in(phrase, text) is found


def test_the_first_phrase_in_order_decides_and_a_rule_may_be_left_out() -> None:
    book = Phrasebook("throttled = slow down; rate limit\nquota = limit\ncollective = nccl")
    words = words_of("NCCL: rate limit")
    assert book.find(words, words.split()) is THROTTLED
    assert book.find(words, words.split(), (THROTTLED,)) is QUOTA
    assert book.find(words, words.split(), (THROTTLED, QUOTA)) is COLLECTIVE
    assert book.find(words, words.split(), (THROTTLED, QUOTA, COLLECTIVE)) is None


def said(phrase: str) -> str:
    """The phrase's first alternatives, in words."""
    first = re.sub(r"\(([^()|]*)\|[^()]*\)", r"\1", phrase)
    groups = re.split(r" [*&] ", first)
    return " ".join(group.split("|")[0].replace("~", "ing") for group in groups)


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.text[:40])
def test_every_phrase_is_found_where_it_is_said(phrase: Phrase) -> None:
    assert is_in(phrase.text, said(phrase.text))


def test_no_phrase_is_written_twice() -> None:
    assert len(PHRASES) == len(set(PHRASES))
