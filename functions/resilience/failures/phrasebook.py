"""Phrases: which rule the words of a statement speak of.

Words are small and stand between single spaces. In a phrase, `a|b` and `(a|b) c` are alternatives,
`word~` is any ending of the word, `a * b` an a and then a b, `a & b` both in either order; a gap is
at most 90 characters. A phrase is looked for only where its rarest word is there at all, so that a
text costs time by its words and not by the number of phrases.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from resilience.failures.rules import Rule, chapters

_GAP = " (?:.{0,90} )?"
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")
_GROUP_OF_WORDS = re.compile(r"\(([^()]*)\)")


def words_of(text: str) -> str:
    return f" {_BETWEEN_WORDS.sub(' ', text.lower()).strip()} "


@dataclass(frozen=True, slots=True)
class Phrase:
    rule: Rule
    text: str


class Phrasebook:
    """Phrases in the order of their chapters (`rules.chapters`): the first found decides."""

    def __init__(self, text: str) -> None:
        self.phrases = tuple(
            Phrase(rule, phrase) for rule, phrases in chapters(text) for phrase in phrases
        )
        self._by_word: dict[str, list[int]] = {}
        for number, phrase in enumerate(self.phrases):
            for word in _rarest_words(phrase.text):
                self._by_word.setdefault(word, []).append(number)

    def find(
        self, words: str, vocabulary: Iterable[str], without: Collection[Rule] = ()
    ) -> Rule | None:
        candidates = {number for word in vocabulary for number in self._by_word.get(word, ())}
        for number in sorted(candidates):
            phrase = self.phrases[number]
            if phrase.rule not in without and _compiled(phrase.text).search(words):
                return phrase.rule
        return None


def _rarest_words(phrase: str) -> frozenset[str]:
    """Of these, one is in every text that the phrase is in."""
    groups = [
        [max(_whole_words(each), key=len, default="") for each in _alternatives(group)]
        for group in re.split(r" [*&] ", phrase)
    ]
    return frozenset(max(groups, key=lambda words: min(map(len, words))))


def _alternatives(group: str) -> list[str]:
    inner = _GROUP_OF_WORDS.search(group)
    if inner is None:
        return group.split("|")
    return [
        alternative
        for choice in inner[1].split("|")
        for alternative in _alternatives(group[: inner.start()] + choice + group[inner.end() :])
    ]


def _whole_words(alternative: str) -> list[str]:
    return [word for word in alternative.split() if not word.endswith("~")]


@cache
def _compiled(phrase: str) -> re.Pattern[str]:
    one, _, other = phrase.partition(" & ")
    if not other:
        return re.compile(_ordered(one))
    return re.compile(f"{_ordered(f'{one} * {other}')}|{_ordered(f'{other} * {one}')}")


def _ordered(phrase: str) -> str:
    groups = (group.replace("~", "[a-z0-9]*") for group in phrase.split(" * "))
    return f" {_GAP.join(f'(?:{group})' for group in groups)} "
