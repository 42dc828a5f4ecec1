"""The random generators that a sampler, a data set or its transforms hold for themselves."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from resilient_training.data.randomness import seed_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Generator = torch.Generator | np.random.Generator | np.random.RandomState | random.Random

_KINDS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_LEAVES = (str, bytes, int, float, complex, type(None), type, torch.Tensor, np.ndarray)
# A list of transforms is short, a list of samples is not, and holds no generators.
_LONG = 100
_MOST = 2000
# By identity, and kept, so that no other gets the same: some kinds take no weak reference.
_SEEN: dict[int, tuple[Generator, int]] = {}


def generators_in(*roots: object) -> list[Generator]:
    """Every generator that is an attribute of a root, or of what a root holds; each once.

    Looks at no more than 2,000 objects, and into no collection of more than 100.
    """
    seen: set[int] = set()
    waiting = deque(roots)
    found: list[Generator] = []
    while waiting and len(seen) < _MOST:
        one = waiting.popleft()
        if id(one) in seen or isinstance(one, _LEAVES):
            continue
        seen.add(id(one))
        if isinstance(one, _KINDS):
            found.append(one)
        else:
            waiting.extend(_held_by(one))
    return found


def _held_by(one: object) -> Iterator[object]:
    if isinstance(one, dict):
        yield from one.values() if len(one) <= _LONG else ()
    elif isinstance(one, (list, tuple, set, frozenset)):
        yield from one if len(one) <= _LONG else ()
    else:
        yield from getattr(one, "__dict__", {}).values()


def marks_of(generators: Sequence[Generator]) -> list[int]:
    """A number for each, from its state when it is first seen: two in lockstep have the same."""
    for one in generators:
        _SEEN.setdefault(id(one), (one, seed_for(*repr(_comparable(one)).encode())))
    return [_SEEN[id(one)][1] for one in generators]


def _comparable(generator: Generator) -> object:
    if isinstance(generator, torch.Generator):
        return generator.initial_seed()
    return _state(generator)


def plant(generators: Sequence[Generator], marks: Iterable[int], *key: int) -> None:
    """Seed each from the key and its mark."""
    for mark, generator in zip(marks, generators, strict=False):
        seed = seed_for(*key, mark)
        match generator:
            case torch.Generator() | random.Random():
                _seed(generator, seed)
            case np.random.RandomState():
                generator.seed(seed % 2**32)
            case np.random.Generator():
                bits = generator.bit_generator
                bits.state = type(bits)(seed).state


def _seed(generator: torch.Generator | random.Random, seed: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    else:
        generator.seed(seed)


def states_of(generators: Sequence[Generator]) -> list[Any]:
    """Where each is, as tensors and plain values."""
    return [_state(one) for one in generators]


def restore(generators: Sequence[Generator], states: Sequence[Any]) -> None:
    """Set each to where it was."""
    for one, state in zip(generators, states, strict=True):
        _restore(one, state)


def _state(generator: Generator) -> Any:  # noqa: ANN401 - of its own kind
    match generator:
        case torch.Generator():
            return generator.get_state()
        case random.Random():
            return generator.getstate()
        case np.random.RandomState():
            return _plain(generator.get_state(legacy=False))
        case np.random.Generator():
            return _plain(generator.bit_generator.state)


def _restore(generator: Generator, state: Any) -> None:  # noqa: ANN401 - of its own kind
    match generator:
        case torch.Generator():
            generator.set_state(state)
        case random.Random():
            generator.setstate(state)
        case np.random.RandomState():
            generator.set_state(state)
        case np.random.Generator():
            generator.bit_generator.state = state


def _plain(state: Any) -> Any:  # noqa: ANN401 - nested dictionaries of numbers and arrays
    match state:
        case dict():
            return {name: _plain(value) for name, value in state.items()}
        case np.ndarray():
            return state.tolist()
        case np.generic():
            return state.item()
        case _:
            return state
