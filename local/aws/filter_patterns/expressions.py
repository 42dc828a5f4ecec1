"""Patterns of JSON events: `{ ($.job = "a*" && $.step > 3) || $.error IS NULL }`.

Conditions are built while they are read, by the usual order: parentheses, `&&`, `||`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from local.aws.filter_patterns.errors import InvalidPatternError
from local.aws.filter_patterns.selectors import Selector, parse_selector
from local.aws.filter_patterns.values import Test, comparison

TOKEN = re.compile(
    r"""\s*(
        \$(?:\.[A-Za-z0-9_*:-]+|\.?\[\s*(?:\d+|\*|'[^']*'|"[^"]*")\s*\])*
        | && | \|\| | [(){}] | [<>!]= | [=<>]
        | "(?:[^"\\]|\\.)*" | %[^%]*% | [^\s"%&|(){}=<>!]+
    )""",
    re.VERBOSE,
)
OPERATORS = frozenset({"=", "!=", "<", ">", "<=", ">="})
IS = {"NULL": None, "TRUE": True, "FALSE": False}
MOST_WILDCARDS, MOST_REGULAR = 3, 2

Condition = Callable[[Any], bool]


def parse_expression(text: str) -> Callable[[str], bool]:
    condition = _Reader(text).whole()

    def matches(message: str) -> bool:
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return condition(event)

    return matches


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Condition:
        self._expect("{")
        condition = self._either()
        self._expect("}")
        if self._next():
            raise InvalidPatternError(f"{self._next()} follows the pattern's end")
        return condition

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token, self._at = self._next(), self._at + 1
        return token

    def _expect(self, token: str) -> None:
        if (found := self._take()) != token:
            raise InvalidPatternError(f"{token} is expected, and not {found or 'the end'}")

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._next() == "||":
            self._take()
            parts.append(self._both())
        return lambda event: any(part(event) for part in parts)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._next() == "&&":
            self._take()
            parts.append(self._one())
        return lambda event: all(part(event) for part in parts)

    def _one(self) -> Condition:
        if self._next() != "(":
            return self._condition()
        self._take()
        condition = self._either()
        self._expect(")")
        return condition

    def _condition(self) -> Condition:
        selector = parse_selector(self._take())
        operator = self._take()
        if operator == "IS":
            return _any(selector, self._state())
        if operator == "NOT":
            self._expect("EXISTS")
            return lambda event: not selector.values(event)
        if operator not in OPERATORS:
            raise InvalidPatternError(f"{operator or 'the end'} is no operator")
        return _any(selector, comparison(operator, self._value()))

    def _state(self) -> Test:
        word = self._take()
        if word not in IS:
            raise InvalidPatternError(f"IS takes NULL, TRUE or FALSE, and not {word or 'the end'}")
        wanted = IS[word]
        return lambda value: value is wanted

    def _value(self) -> str:
        token = self._take()
        if not token or token in OPERATORS or token in {"&&", "||", "(", ")", "{", "}"}:
            raise InvalidPatternError("a value is missing")
        return token


def _any(selector: Selector, test: Test) -> Condition:
    return lambda event: any(test(value) for value in selector.values(event))


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while text[at:].strip():
        token = TOKEN.match(text, at)
        if token is None:
            raise InvalidPatternError(f"cannot be read from {text[at:].strip()[:20]!r} on")
        tokens.append(token[1])
        at = token.end()
    wild = sum(token.startswith("$") and "*" in token for token in tokens)
    if wild > MOST_WILDCARDS or sum(token.startswith("%") for token in tokens) > MOST_REGULAR:
        raise InvalidPatternError("more wildcard selectors or regular expressions than AWS takes")
    return tokens
