"""The same death, reported twice, has the same signature."""

import hashlib
import re

from resilience.failures import rules
from resilience.failures.leading import leading_rule
from resilience.failures.reader import cause_of
from resilience.failures.statements import Statement, statements_of

_LENGTH = 8
# A reason is cut at 1,024 characters, wherever that falls: the beginning of the cause is the same.
_WORDS = 12
# Which peer complains in which words, and what was heard last, differs each time.
_SAY_ALL = (rules.STALLED, rules.PEER_LOST)
_WORD = re.compile(r"[a-z_]*\d\w*|(?P<stays>[a-z_]+)")


def signature(text: str) -> str:
    """A short hash of the cause without its numbers, addresses, paths, ranks and times."""
    leading = leading_rule(text)
    if leading in _SAY_ALL:
        return _hash([leading.name])
    found = cause_of(text)
    if found is None:
        statements, _ = statements_of(text)
        said = ["", *(word for each in statements for word in _words(each))]
    else:
        said = [found.rule.name, *_words(found.statement)]
    return _hash(said)


def _hash(said: list[str]) -> str:
    return hashlib.sha256(" ".join(said[: _WORDS + 1]).encode()).hexdigest()[:_LENGTH]


def _words(statement: Statement) -> list[str]:
    words = _WORD.finditer(f"{statement.name} {statement.text}")
    return [found["stays"] for found in words if found["stays"]]
