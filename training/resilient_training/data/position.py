"""How far a training is in its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Position:
    """How far a training is: `batches` of epoch `epoch` have been trained on."""

    epoch: int
    batches: int


@dataclass(frozen=True)
class Pass:
    """One pass over a loader: number `cycle`, from 0, of an epoch, after its first `skip` batches.

    Lightning's `max_size_cycle` passes over the shorter of two loaders several times in an epoch.
    """

    epoch: int
    cycle: int
    skip: int

    @property
    def key(self) -> tuple[int, int]:
        """What the order and the randomness of the pass depend on."""
        return self.epoch, self.cycle


class Passes:
    """Which pass over a loader comes next.

    Without a `position` the framework skips by itself, and says by `set_epoch` which epoch it is;
    where it does not, each iteration is the next pass.

    A resume beyond the end of a loader gives one empty pass, and then the rest of the cycle that it
    is in. Lightning knows by the empty one that this loader was through before: with
    `max_size_cycle` it begins anew, with `max_size` it is over.
    """

    def __init__(self, position: Callable[[], Position] | None) -> None:
        self.position = position
        self.epoch = 0
        self.newest: Pass | None = None
        self._over = False
        self._behind = 0

    def at(self) -> Position:
        return self.position() if self.position else Position(self.epoch, 0)

    def begin(self) -> Pass:
        at, last = self.at(), self.newest
        if last is not None and last.epoch == at.epoch and (self._over or self.position is None):
            self.newest = Pass(at.epoch, last.cycle + 1, self._behind)
        else:
            self.newest = Pass(at.epoch, 0, at.batches)
        self._over, self._behind = False, 0
        return self.newest

    def end(self, ended: Pass, batches: int) -> Pass | None:
        """A pass of so many batches is over; gives the one to go on with in the same iteration."""
        behind = ended.skip - batches
        if behind < 0 or ended.cycle == 0 or batches == 0:
            self._over, self._behind = True, max(behind, 0)
            return None
        self.newest = Pass(ended.epoch, ended.cycle + 1, behind)
        return self.newest
