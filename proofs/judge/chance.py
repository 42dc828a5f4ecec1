"""Chance with a name: the same seed and name give the same draws, whatever else was drawn."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    def __init__(self, *name: object) -> None:
        self._name = "/".join(map(str, name))
        self._random = Random(self._name)  # noqa: S311 — a simulation has to repeat

    def of(self, *name: object) -> "Chance":
        """A stream of its own, so that a changed policy does not change the weather."""
        return Chance(self._name, *name)

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def between(self, low: float, high: float) -> int:
        return round(self._random.uniform(low, high))

    def log_between(self, low: float, high: float) -> int:
        """Each order of magnitude is as likely as the next."""
        return round(math.exp(self._random.uniform(math.log(low), math.log(high))))

    def after(self, mean: float, shape: float = 1.0) -> int:
        """A Weibull time with this mean; at shape 1 without memory, below it in clusters."""
        scale = mean / math.gamma(1 + 1 / shape)
        return max(1, round(self._random.weibullvariate(scale, shape)))

    def one(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def weighted(self, weights: Mapping[T, float]) -> T:
        return self._random.choices(list(weights), list(weights.values()))[0]

    def by_deciles(self, deciles: Sequence[float]) -> float:
        """A draw from a distribution that is known by its deciles, straight between them."""
        place = self._random.random() * (len(deciles) - 1)
        low = int(place)
        return deciles[low] + (deciles[low + 1] - deciles[low]) * (place - low)
