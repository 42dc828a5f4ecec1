"""What a resume can load: tensors and plain values (`torch.load(weights_only=True)`)."""

from __future__ import annotations

import io
import pickle  # nosec B403 - for its errors
import re
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from resilient_training.checkpoints.remedies import remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PLAIN = frozenset({int, float, bool, complex, str, type(None), torch.dtype, torch.device})
_CONTAINERS = (dict, OrderedDict, list, tuple)
_NAMED = 20
_COLOUR = re.compile(r"\x1b\[\d*m")
# What pickling an object of whatever class may raise: a lambda, a lock, a local class.
_NOT_PICKLED = (pickle.PicklingError, AttributeError, TypeError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Unloadable:
    """A value that a resume would refuse: where it is, what it is, what to do."""

    key: str
    kind: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key} is a {self.kind}: {self.remedy}"


class NotLoadableError(Exception):
    """What was saved, or would be, holds more than a resume loads: no resume could use it."""

    @classmethod
    def naming(cls, found: Iterable[Unloadable]) -> NotLoadableError:
        lines = "; ".join(str(one) for one in found)
        return cls(f"no resume could load this checkpoint: {lines}")


def unloadable(state: object) -> list[Unloadable]:
    """The values in `state` that a `weights_only` load refuses, with their keys; at most 20.

    Nested dicts, lists and tuples are walked; anything else that is no plain value or tensor is
    saved and loaded, for itself. What `torch.serialization.add_safe_globals` allows is let through.
    """
    found = (one for one in _leaves(state, "", set()) if not _loads(one[1]))
    return [_described(key, value) for key, value in islice(found, _NAMED)]


def require_loadable(state: object) -> None:
    """Raise NotLoadableError that names every value of `state` that no resume could load."""
    found = unloadable(state)
    if found:
        raise NotLoadableError.naming(found)


def _leaves(value: object, key: str, within: set[int]) -> Iterator[tuple[str, object]]:
    """Each value that has to be tried, and its key; `within` are the containers around it."""
    if type(value) in _PLAIN or _is_plain_tensor(value) or id(value) in within:
        return
    if type(value) not in _CONTAINERS:
        yield key, value
        return
    within = within | {id(value)}
    for name, one in _items(value):
        if type(name) not in _PLAIN:
            yield f"a key in {key or 'the state'}", name
        yield from _leaves(one, _joined(key, name), within)


def _items(value: Any) -> Iterable[tuple[object, object]]:  # noqa: ANN401 - one of _CONTAINERS
    return value.items() if isinstance(value, dict) else enumerate(value)


def _joined(key: str, name: object) -> str:
    shown = name if isinstance(name, str) else f"[{name}]"
    return f"{key}.{shown}" if key and isinstance(name, str) else f"{key}{shown}"


def _is_plain_tensor(value: object) -> bool:
    return type(value) in (Tensor, nn.Parameter) and not vars(value)


def _loads(value: object) -> bool:
    saved = _saved(value)
    return saved is not None and refusal(saved) is None


def _saved(value: object) -> io.BytesIO | None:
    file = io.BytesIO()
    try:
        torch.save(value, file)
    except _NOT_PICKLED:
        return None
    file.seek(0)
    return file


def _described(key: str, value: object) -> Unloadable:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    saved = _saved(value)
    needed = [] if saved is None else torch.serialization.get_unsafe_globals_in_checkpoint(saved)
    return Unloadable(key or "the state", kind, remedy_for(value, needed))


def refusal(file: io.BytesIO | str) -> str | None:
    """Why a resume would not load the file; None: it would."""
    # Not read but mapped: no second copy of a large checkpoint in memory.
    mapped = isinstance(file, str)
    try:
        torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, KeyError, EOFError) as why:
        return " ".join(_COLOUR.sub("", f"{type(why).__name__}: {why}").split())
    return None
