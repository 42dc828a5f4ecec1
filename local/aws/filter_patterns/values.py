"""What a property is compared with: a number, a text with wildcards, or a regular expression."""

import json
import re
from collections.abc import Callable
from typing import Any

from local.aws.filter_patterns.errors import InvalidPatternError

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}

Test = Callable[[Any], bool]


def comparison(operator: str, given: str) -> Test:
    """The condition `<property> <operator> <given>`; a property that is not there meets none."""
    if operator in ORDER:
        if not NUMBER.fullmatch(given):
            raise InvalidPatternError(f"{operator} compares with a number, not with {given}")
        limit, holds = float(given), ORDER[operator]
        return lambda value: _is_number(value) and holds(value, limit)
    equal = _equality(given)
    if operator == "=":
        return equal
    return lambda value: _text(value) is not None and not equal(value)


def _equality(given: str) -> Test:
    if NUMBER.fullmatch(given):
        number = float(given)
        return lambda value: value == number if _is_number(value) else _text(value) == given
    if given.startswith("%"):
        matches: Callable[[str], bool] = regular(given)
    else:
        matches = _wildcards(_unquoted(given))
    return lambda value: (text := _text(value)) is not None and matches(text)


def regular(given: str) -> Callable[[str], bool]:
    """A `%regular expression%`, in the part of the syntax that AWS takes."""
    text = given[1:-1]
    if not text.isascii() or "(" in text or ")" in text:
        raise InvalidPatternError(f"{given} has a group or a letter that AWS does not take")
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise InvalidPatternError(f"{given} is no regular expression: {error}") from None
    return lambda message: compiled.search(message) is not None


def _wildcards(text: str) -> Callable[[str], bool]:
    parts = ".*".join(map(re.escape, text.split("*")))
    compiled = re.compile(parts, re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None


def _unquoted(given: str) -> str:
    return re.sub(r"\\(.)", r"\1", given[1:-1]) if given.startswith('"') else given


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: object) -> str | None:
    """A text as it is, a number or truth as JSON writes it; nothing else has a text."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (int, float)) else None
