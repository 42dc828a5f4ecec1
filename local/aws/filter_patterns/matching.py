"""Patterns that are no JSON: terms, phrases and regular expressions."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from local.aws.filter_patterns.errors import InvalidPatternError
from local.aws.filter_patterns.expressions import parse_expression
from local.aws.filter_patterns.values import regular

__all__ = ["InvalidPatternError", "Matcher", "matcher"]

Matcher = Callable[[str], bool]
TERM = re.compile(r"""\s*(?P<mark>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))""")


def matcher(pattern: str) -> Matcher:
    """Whether the pattern lets a message through; raises InvalidPatternError."""
    text = pattern.strip()
    if text.startswith("{"):
        return parse_expression(text)
    if text.startswith("["):
        raise InvalidPatternError("patterns of space-delimited events are not matched here")
    if len(text) > 1 and text.startswith("%") and text.endswith("%"):
        return regular(text)
    return _terms(text)


@dataclass(frozen=True)
class _Terms:
    wanted: tuple[str, ...]
    excluded: tuple[str, ...]
    # Beside others AWS ignores the question mark of such a term.
    any_of: tuple[str, ...]

    def __call__(self, message: str) -> bool:
        if any(term in message for term in self.excluded):
            return False
        if self.wanted or not self.any_of:
            return all(term in message for term in self.wanted)
        return any(term in message for term in self.any_of)


def _terms(text: str) -> _Terms:
    found: dict[str, list[str]] = {"": [], "-": [], "?": []}
    at = 0
    while at < len(text):
        term = TERM.match(text, at)
        if term is None:
            raise InvalidPatternError("a quotation mark is not closed")
        at = term.end()
        phrase = term["phrase"]
        word = term["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
        found[term["mark"]].append(word)
    return _Terms(tuple(found[""]), tuple(found["-"]), tuple(found["?"]))
