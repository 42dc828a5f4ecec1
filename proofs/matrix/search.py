"""SageMaker's Search, as far as the sweep asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

_TAG = "Tags."


def matches(job: Mapping[str, Any], tags: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    """Whether a job meets all filters, or any of them with Operator=Or."""
    met = (_meets(_value(job, tags, one["Name"]), one) for one in expression["Filters"])
    return any(met) if expression.get("Operator") == "Or" else all(met)


def _value(job: Mapping[str, Any], tags: Mapping[str, str], name: str) -> object:
    return tags.get(name.removeprefix(_TAG)) if name.startswith(_TAG) else job.get(name)


def _meets(value: object, one: Mapping[str, str]) -> bool:
    match one["Operator"]:
        case "Exists":
            return value is not None
        case "NotExists":
            return value is None
        case "Equals":
            return value == one["Value"]
        case "GreaterThanOrEqualTo":
            return _number(value) >= _instant(one["Value"])
        case "LessThanOrEqualTo":
            return _number(value) <= _instant(one["Value"])
        case unknown:
            raise NotImplementedError(unknown)


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError("a time on the wire is a number")
    return value


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
