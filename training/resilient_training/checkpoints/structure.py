"""What a state is made of, without its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, strided

if TYPE_CHECKING:
    from collections.abc import Iterator


def structure_of(state: object) -> frozenset[str]:
    """Each key in `state` with the type, dtype and shape of what is there.

    A state whose structure is a part of another one's loads where that one did.

    Plain values and tensors of one number are left out: they load whatever they are, and
    ModelCheckpoint keeps a dict of them by file names. The items of a list count once. So neither
    has anything new in it when it grows.
    """
    return frozenset(_lines(state, ""))


def _lines(value: object, key: str) -> Iterator[str]:
    match value:
        case None | bool() | int() | float() | str() if type(value).__module__ == "builtins":
            return
        case Tensor() if type(value) is Tensor and value.ndim == 0:
            return
        case Tensor():
            yield f"{key}: {_kind(value)} {value.dtype} {tuple(value.shape)}"
        case dict():
            yield f"{key}: {_kind(value)}"
            for name, one in value.items():
                yield from _lines(name, f"{key} key")
                yield from _lines(one, f"{key}[{name!r}]")
        case list() | tuple():
            yield f"{key}: {_kind(value)}"
            for one in value:
                yield from _lines(one, f"{key}[]")
        case _:
            yield f"{key}: {_kind(value)}"


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def bytes_of(state: object) -> int:
    """The bytes that the tensors in `state` take in a file."""
    storages = {
        one.data_ptr(): one.nbytes() for one in map(Tensor.untyped_storage, _tensors(state))
    }
    return sum(storages.values())


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.layout is strided:
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
