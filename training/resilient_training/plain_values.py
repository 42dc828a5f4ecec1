"""What a checkpoint may hold of a row: numbers, strings and booleans."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

Plain = bool | int | float | str | dict[str, Any]


def plain_row(metrics: Mapping[str, Any]) -> dict[str, Plain]:
    """The metrics as plain values, which a `weights_only` load reads; media are left out.

    A number of numpy, torch or another library becomes Python's.
    """
    found = {str(key): _plain(value) for key, value in metrics.items()}
    return {key: value for key, value in found.items() if value is not None}


def has_media(metrics: Mapping[str, Any]) -> bool:
    """Whether there is something that no checkpoint holds: an image, a table, a histogram."""
    return any(value is not None and _plain(value) is None for value in metrics.values())


def _plain(value: object) -> Plain | None:
    """None: it is none."""
    match value:
        case bool():
            return value
        case str():
            return str.__str__(value)
        case numbers.Integral():
            return int(value)
        case numbers.Real():
            return float(value)
        case Mapping():
            return plain_row(value) or None
        case _:
            return _scalar(value)


def _scalar(value: object) -> Plain | None:
    """Of an array or a tensor that holds one number."""
    item = getattr(value, "item", None)
    if item is None or getattr(value, "shape", None) not in {(), (1,)}:
        return None
    held = item()
    return held if isinstance(held, bool | int | float | str) else None
