"""The filters of runs and artifacts: a JSON string in the manner of MongoDB."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.wandb_server.graph.resolution import InvalidError
from local.wandb_server.json_value import Json

Lookup = Callable[[str], Json]


def parse_filters(text: str | None) -> Mapping[str, Json]:
    if not text:
        return {}
    try:
        filters = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidError(f"filters is not JSON: {error}") from None
    if filters is None:
        return {}
    if not isinstance(filters, dict):
        raise InvalidError("filters must be a JSON object")
    return filters


def matches(filters: Mapping[str, Json], lookup: Lookup) -> bool:
    """Whether what `lookup` knows by field name satisfies every condition."""
    return all(_condition(key, wanted, lookup) for key, wanted in filters.items())


def _condition(key: str, wanted: Json, lookup: Lookup) -> bool:
    match key:
        case "$and":
            return all(matches(part, lookup) for part in wanted)
        case "$or":
            return not wanted or any(matches(part, lookup) for part in wanted)
        case "$nor":
            return not any(matches(part, lookup) for part in wanted)
        case "$not":
            return not matches(wanted, lookup)
        case _ if key.startswith("$"):
            raise InvalidError(f"filters: unknown operator {key}")
        case _:
            return _compare(lookup(key), wanted)


def _compare(value: Json, wanted: Json) -> bool:
    if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted):
        return all(_operator(name, value, operand) for name, operand in wanted.items())
    return _equal(value, wanted)


def _equal(value: Json, wanted: Json) -> bool:
    """A list field, such as tags, equals any of its members."""
    if isinstance(value, list) and not isinstance(wanted, list):
        return wanted in value
    return bool(value == wanted)


def _ordered(compare: Callable[[Json, Json], bool]) -> Callable[[Json, Json], bool]:
    """Values of different kinds, or absent ones, are in no order."""

    def compare_or_false(value: Json, operand: Json) -> bool:
        try:
            return compare(value, operand)
        except TypeError:
            return False

    return compare_or_false


OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "$eq": _equal,
    "$ne": lambda value, operand: not _equal(value, operand),
    "$in": lambda value, operand: any(_equal(value, one) for one in operand),
    "$nin": lambda value, operand: not any(_equal(value, one) for one in operand),
    "$gt": _ordered(lambda value, operand: bool(value > operand)),
    "$gte": _ordered(lambda value, operand: bool(value >= operand)),
    "$lt": _ordered(lambda value, operand: bool(value < operand)),
    "$lte": _ordered(lambda value, operand: bool(value <= operand)),
    "$exists": lambda value, operand: (value is not None) is bool(operand),
    "$regex": lambda value, operand: isinstance(value, str) and bool(re.search(operand, value)),
    "$not": lambda value, operand: not _compare(value, operand),
}


def _operator(name: str, value: Json, operand: Json) -> bool:
    operator = OPERATORS.get(name)
    if operator is None:
        raise InvalidError(f"filters: unknown operator {name}")
    return operator(value, operand)


def parse_order(order: str | None, default: str) -> tuple[str, bool]:
    """`-created_at` is ("created_at", descending); without a sign it ascends."""
    text = order or default
    return text.lstrip("+-"), text.startswith("-")


def sorted_by(rows: list[Any], key: Callable[[Any], Any], *, descending: bool) -> list[Any]:
    """Rows without the value come last, whichever way the others go."""
    present = [row for row in rows if key(row) is not None]
    absent = [row for row in rows if key(row) is None]
    return sorted(present, key=key, reverse=descending) + absent
