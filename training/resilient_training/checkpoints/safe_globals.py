"""What a script has allowed to be loaded, handed over to another process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable


def allowed_names() -> list[str]:
    """The full names (`package.module.Class`) of what `add_safe_globals` has allowed here."""
    return [_full_name(one) for one in torch.serialization.get_safe_globals()]


def allow(names: Iterable[str]) -> None:
    """Allow the same here; a stand-in loads what is of a class that cannot be imported here.

    The classes of the script itself, of `__main__`, are among those: to import them is to run it.
    """
    torch.serialization.add_safe_globals([(_found(name), name) for name in names])


def _full_name(allowed: Any) -> str:  # noqa: ANN401 - a callable, or one with its name
    if isinstance(allowed, tuple):
        return str(allowed[1])
    return f"{allowed.__module__}.{allowed.__qualname__}"


def _found(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    """The object of that name: its module is the longest part of it that can be imported."""
    parts = name.split(".")
    if parts[0] == "__main__":
        return _stand_in(name)
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return _stand_in(name) if found is None else found
    return _stand_in(name)


def _stand_in(name: str) -> type[StandIn]:
    return type(name.rpartition(".")[2], (StandIn,), {})


class StandIn:
    """Takes whatever a class of its name might be made from."""

    def __init__(self, *given: object, **named: object) -> None:
        self.given = given, named

    def __new__(cls, *_given: object, **_named: object) -> StandIn:  # noqa: PYI034 - any subclass
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state
