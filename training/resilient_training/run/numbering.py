"""Which number a checkpoint has, and what it counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resilient_training.run.layout import Unit
from resilient_training.run.saved_number import number_after

if TYPE_CHECKING:
    from pathlib import Path

    from resilient_training.run.layout import Layout

_MOST_JSON = 64 << 20
_MOST_STEPS = 1 << 40


@dataclass(frozen=True)
class Number:
    value: int
    unit: Unit


def number_of(checkpoint: Path, layout: Layout) -> Number | None:
    """The number inside the checkpoint where a file of it has one, else that in its name.

    A number of a Hugging Face state inside is a step, whatever the name counts. None: unknown.

    Raises:
        FileNotFoundError: the checkpoint is gone.
    """
    named = layout.number_in_name(checkpoint.name)
    if layout.inside and (named is None or layout.unit is Unit.SAVE):
        inside = _inside(checkpoint, *layout.inside)
        if inside is not None:
            return Number(inside, layout.unit if named is None else Unit.STEP)
    return None if named is None else Number(named, layout.unit)


def _inside(checkpoint: Path, name: str, key: str) -> int | None:
    if name.endswith(".json"):
        return _number_in_json(checkpoint / name, key)
    # A sharded checkpoint of Lightning keeps all but the tensors in meta.pt.
    path = checkpoint / "meta.pt" if checkpoint.is_dir() else checkpoint
    return number_after(path, key) if path.is_file() else None


def _number_in_json(path: Path, key: str) -> int | None:
    if not path.is_file() or path.stat().st_size > _MOST_JSON:
        return None
    try:
        content: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    value = content.get(key) if isinstance(content, dict) else None
    return value if type(value) is int and 0 <= value < _MOST_STEPS else None
