"""The losses of a training that was killed and resumed, beside those before the kill."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from resilient_training.run.check.losses import has_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resilient_training.run.check.losses import Loss, Place

# One equal loss says that the weights came back, and nothing of the optimizer.
_FEWEST = 2
# Lines are read a moment after they are written, so the order is known about as well.
_UNSURE = 3
_NEAR = 0.05


class Kind(Enum):
    SAME = "the same digits"
    DRIFTS = "the first loss is the same, a later one is not"
    DIFFERS = "the first loss differs"
    AGAIN = "as at the beginning"
    UNKNOWN = "not comparable"


class Closeness(Enum):
    NEAR = "near"
    FAR = "far"
    FRESH = "as at the beginning"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pair:
    """The losses of one place: as it was, and after the resume."""

    first: Loss
    second: Loss
    same: bool


@dataclass(frozen=True)
class Comparison:
    """What the losses show.

    Attributes:
        counts_anew: The resumed training printed the number of its very first step again.
        why: Why nothing can be said, where `kind` is UNKNOWN.
    """

    kind: Kind
    pairs: tuple[Pair, ...] = ()
    counts_anew: bool = False
    why: str = ""


def compare(first: Sequence[Loss], second: Sequence[Loss], before: int) -> Comparison:
    """Compare the losses of both runs, by step or epoch where these are printed, else by order.

    Args:
        first: Of the run that was killed, from its beginning.
        second: Of the run that was resumed.
        before: How many of `first` were printed before the checkpoint was complete, about.
    """
    if not first or not second:
        who = "resumed training" if first else "training"
        return Comparison(Kind.UNKNOWN, why=f"the {who} printed no loss that can be recognised")
    if not has_places(first) or not has_places(second):
        return _by_order(first, second, before)
    if _place(second[0]) <= _place(first[0]):
        anew = _by_order(first, second, before)
        return Comparison(anew.kind, anew.pairs, counts_anew=True, why=anew.why)
    return _by_place(first, second)


def _place(loss: Loss) -> Place:
    return loss.place or (-1.0, -1.0)


def _by_place(first: Sequence[Loss], second: Sequence[Loss]) -> Comparison:
    known, resumed = _grouped(first), _grouped(second)
    pairs = [
        Pair(known[place][-1], losses[-1], _alike(known[place], losses))
        for place, losses in resumed.items()
        if place in known
    ]
    if not pairs:
        why = f"no step was printed by both: {second[0].where} is beyond {first[-1].where}"
        return Comparison(Kind.UNKNOWN, why=why)
    return _of(pairs)


def _grouped(losses: Iterable[Loss]) -> dict[Place, list[Loss]]:
    grouped: dict[Place, list[Loss]] = {}
    for loss in losses:
        grouped.setdefault(_place(loss), []).append(loss)
    return grouped


def _alike(some: Iterable[Loss], others: Iterable[Loss]) -> bool:
    """Several processes may print each, and the kill may come between two of them."""
    one, other = {loss.text for loss in some}, {loss.text for loss in others}
    return one <= other or other <= one


def _of(pairs: Sequence[Pair]) -> Comparison:
    if not pairs[0].same:
        return Comparison(Kind.DIFFERS, tuple(pairs))
    if not all(pair.same for pair in pairs):
        return Comparison(Kind.DRIFTS, tuple(pairs))
    if len(pairs) < _FEWEST:
        why = "only one loss was printed by both: print it more often, or save less often"
        return Comparison(Kind.UNKNOWN, tuple(pairs), why=why)
    return Comparison(Kind.SAME, tuple(pairs))


def _by_order(first: Sequence[Loss], second: Sequence[Loss], before: int) -> Comparison:
    if before == 0:
        return Comparison(
            Kind.UNKNOWN,
            why="no loss was printed before the checkpoint, so a resume looks like a beginning:"
            " print the loss more often than it saves",
        )
    again = _is_whole(first, second, 0)
    places = sorted(range(1, len(first)), key=lambda place: (abs(place - before), place))
    whole = [place for place in places if _is_whole(first, second, place, before)]
    if again and whole:
        return Comparison(Kind.UNKNOWN, why="the printed loss does not change")
    if again:
        return Comparison(Kind.AGAIN, _pairs(first, second))
    if whole:
        return _of(_pairs(first[whole[0] :], second))
    best = max(places, key=lambda place: _equal(first[place:], second), default=0)
    if best == 0 or not _equal(first[best:], second):
        best = min(before, len(first) - 1)
    return _of(_pairs(first[best:], second))


def _is_whole(
    first: Sequence[Loss], second: Sequence[Loss], place: int, expected: int | None = None
) -> bool:
    """Whether all that both have from there on is equal, and more than chance makes it."""
    overlap = min(len(first) - place, len(second))
    unsure = expected is not None and abs(place - expected) > _UNSURE
    return overlap >= _FEWEST + unsure and _equal(first[place:], second) == overlap


def _equal(first: Sequence[Loss], second: Sequence[Loss]) -> int:
    """How many are equal before the first that is not."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one.text != other.text:
            break
        count += 1
    return count


def _pairs(first: Sequence[Loss], second: Sequence[Loss]) -> tuple[Pair, ...]:
    both = zip(first, second, strict=False)
    return tuple(Pair(one, other, one.text == other.text) for one, other in both)


def closeness(first: Sequence[Loss], pairs: Sequence[Pair]) -> Closeness:
    """Whether losses that differ are those of the same weights, as far as losses can tell.

    The measure is how much one printed loss differs from the next one, and how far the loss had
    come since the beginning.
    """
    values = [loss.value for loss in first]
    start = fmean(values[: min(len(pairs), _UNSURE)])
    was, is_ = fmean(one.first.value for one in pairs), fmean(one.second.value for one in pairs)
    if not all(value - value == 0 for value in (start, was, is_)):
        return Closeness.FAR  # a loss that is no number, or has no end
    noise = fmean([abs(one - other) for one, other in pairwise(values)] or [0])
    slack = max(2 * noise, _NEAR * abs(was))
    gap, way = abs(is_ - was), abs(start - was)
    if way > slack and abs(is_ - start) < gap:
        return Closeness.FRESH
    if gap > slack:
        return Closeness.FAR
    return Closeness.NEAR if way > slack else Closeness.UNKNOWN
