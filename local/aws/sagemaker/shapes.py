"""Checks a request against SageMaker's own service model, and refuses it in AWS's words.

botocore checks required members, types and minimum lengths; AWS also checks maxima, patterns,
counts and enums, and reports all violations of a request at once.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import botocore.session
import regex
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from local.aws.sagemaker.errors import AwsError, validation

KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": bool,
    "structure": dict,
    "map": dict,
    "list": list,
}


@lru_cache(maxsize=1)
def service_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


@lru_cache(maxsize=512)
def _pattern(text: str) -> "regex.Pattern[str]":
    return regex.compile(text)


def checked(operation: str, body: object) -> dict[str, Any]:
    """Return the members that the operation knows; raise ValidationException naming all faults."""
    shape = service_model().operation_model(operation).input_shape
    faults: list[str] = []
    request: dict[str, Any] = _value(shape, body, "", faults)
    if faults:
        noun = "error" if len(faults) == 1 else "errors"
        raise validation(f"{len(faults)} validation {noun} detected: {'; '.join(faults)}")
    return request


def _value(shape: Shape, value: object, path: str, faults: list[str]) -> Any:  # noqa: ANN401 - JSON
    kind = KINDS[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise AwsError("SerializationException", f"Unexpected value at '{path}'")
    faults.extend(_fault(value, path, constraint) for constraint in _broken(shape, value))
    reader = READERS.get(shape.type_name)
    return reader(shape, value, path, faults) if reader else value


def _fault(value: object, path: str, constraint: str) -> str:
    shown = "null" if value is None else _shown(value)
    return f"Value {shown} at '{path}' failed to satisfy constraint: Member must {constraint}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "'{" + ", ".join(f"{key}={entry}" for key, entry in value.items()) + "}'"
    if isinstance(value, list):
        return "'[" + ", ".join(map(str, value)) + "]'"
    return f"'{value}'"


def _broken(shape: Shape, value: object) -> list[str]:
    limits = shape.metadata
    broken: list[str] = []
    if isinstance(value, (str, dict, list)):
        broken += _size("have length ", len(value), limits)
    elif isinstance(value, (int, float)):
        broken += _size("have value ", value, limits)
    if isinstance(value, str):
        broken += _text(value, shape)
    return broken


def _size(measure: str, size: float, limits: dict[str, Any]) -> list[str]:
    broken = []
    if "min" in limits and size < limits["min"]:
        broken.append(f"{measure}greater than or equal to {limits['min']}")
    if "max" in limits and size > limits["max"]:
        broken.append(f"{measure}less than or equal to {limits['max']}")
    return broken


def _text(value: str, shape: Shape) -> list[str]:
    broken = []
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        broken.append(f"satisfy regular expression pattern: {pattern}")
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        broken.append(f"satisfy enum value set: [{', '.join(allowed)}]")
    return broken


def _structure(
    shape: StructureShape, value: dict[str, Any], path: str, faults: list[str]
) -> dict[str, Any]:
    """Keep what the model knows, as AWS ignores the rest; a null is as good as absent."""
    read = {}
    for name, member in shape.members.items():
        below = f"{path}.{_lower(name)}" if path else _lower(name)
        if value.get(name) is not None:
            read[name] = _value(member, value[name], below, faults)
        elif name in shape.required_members:
            faults.append(_fault(None, below, "not be null"))
    return read


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _list(shape: ListShape, value: list[Any], path: str, faults: list[str]) -> list[Any]:
    return [
        _value(shape.member, entry, f"{path}.{number}.member", faults)
        for number, entry in enumerate(value, 1)
    ]


def _map(shape: MapShape, value: dict[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    """Report a map's faults as one, which is how AWS words them; every map here is of strings."""
    if not all(isinstance(entry, str) for entry in value.values()):
        raise AwsError("SerializationException", f"Unexpected value at '{path}'")
    for noun, part, entries in (
        ("keys", shape.key, list(value)),
        ("value", shape.value, list(value.values())),
    ):
        if any(_broken(part, entry) for entry in entries):
            rules = ", ".join(f"Member must {rule}" for rule in _rules(part))
            faults.append(
                f"Value {_shown(value)} at '{path}' failed to satisfy constraint: "
                f"Map {noun} must satisfy constraint: [{rules}]"
            )
    return dict(value)


def _rules(shape: Shape) -> list[str]:
    limits = shape.metadata
    rules = []
    if "max" in limits:
        rules.append(f"have length less than or equal to {limits['max']}")
    if "min" in limits:
        rules.append(f"have length greater than or equal to {limits['min']}")
    if "pattern" in limits:
        rules.append(f"satisfy regular expression pattern: {limits['pattern']}")
    return rules


READERS: dict[str, Callable[..., Any]] = {"structure": _structure, "list": _list, "map": _map}
