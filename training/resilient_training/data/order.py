"""The order of a data set, from whatever sampler draws it: a function of the seed and the epoch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from torch.utils.data import DistributedSampler

from resilient_training.data.generators import generators_in, marks_of, plant
from resilient_training.data.guise import Guise
from resilient_training.data.randomness import drawing, seed_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_training.data.position import Pass, Passes
    from resilient_training.data.sampler_history import SamplerHistory

# What these draw, they draw when they are asked for the first index.
_AT_ONCE = ("torch", "torchdata", "accelerate", "transformers", "lightning")
_DEEP = 5
_FIRST_SEED = "resilient_training_first_seed"


@dataclass(frozen=True, slots=True)
class Marked:
    """The indices of one batch, whatever a sampler gives for them, and which batch it is."""

    indices: Any
    key: tuple[int, int, int]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


@dataclass
class Drawing:
    """Draws the batches of indices of one pass, the same whenever it is drawn.

    Everything at random in the sampler comes from the key: the three global generators, which the
    training gets back as they were, and each generator of the sampler's own. Those that go in
    lockstep in two loaders, do so still.
    """

    sampler: Any
    seed: int
    part: int
    generator: Any = None
    parts: list[Any] = field(init=False)
    marks: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = sampler_parts(self.sampler)
        self.generators = generators_in(*self.parts, self.generator)
        self.marks = marks_of(self.generators)
        self.late = not all(_draws_at_once(part) for part in self.parts)
        for part in self.parts:
            _reseed(part, self.seed)

    def batches(self, epoch: int, cycle: int) -> Iterator[Any]:
        key = (self.seed, self.part, epoch, cycle)
        with drawing(*key):
            plant(self.generators, self.marks, self.seed, epoch, cycle)
            self.set_epoch(epoch)
            source = iter(self.sampler)
        for number in count():
            with drawing(*key, number) if self.late or number == 0 else nullcontext():
                try:
                    indices = next(source)
                except StopIteration:
                    return
            yield indices

    @property
    def known(self) -> bool:
        """Whether each pass is a function of seed and epoch alone, as torch's samplers are."""
        return not self.late

    def set_epoch(self, epoch: int) -> None:
        for part in self.parts:
            if callable(tell := getattr(part, "set_epoch", None)):
                tell(epoch)


def sampler_parts(sampler: object) -> list[Any]:
    """A sampler and those that it draws from, as attributes or in short lists."""
    found: dict[int, Any] = {}
    newest = [sampler]
    for _ in range(_DEEP):
        found |= {id(one): one for one in newest}
        held = [value for one in newest for value in getattr(one, "__dict__", {}).values()]
        held += [each for value in held if isinstance(value, (list, tuple)) for each in value[:100]]
        newest = [one for one in held if _is_sampler(one) and id(one) not in found]
    return list(found.values())


def _is_sampler(one: object) -> bool:
    """Not a data set, which a sampler may hold too: that can be asked for an item."""
    kind = type(one)
    return (
        hasattr(kind, "__iter__") and hasattr(one, "__dict__") and not hasattr(kind, "__getitem__")
    )


def _draws_at_once(part: object) -> bool:
    return type(part).__module__.partition(".")[0] in _AT_ONCE


def _reseed(part: Any, seed: int) -> None:  # noqa: ANN401 - any sampler
    """The two kinds that draw from a seed of their own and the epoch; each time the same."""
    name = "seed" if isinstance(part, DistributedSampler) else "initial_seed"  # accelerate's
    if isinstance(getattr(part, name, None), int):
        first = vars(part).setdefault(_FIRST_SEED, getattr(part, name))
        setattr(part, name, seed_for(seed, first))


class TellsEpoch(Guise):
    """The inner sampler, to which frameworks say what epoch it is."""

    def set_epoch(self, epoch: int) -> None:
        self.passes.epoch = epoch
        if callable(tell := getattr(self.worn, "set_epoch", None)):
            tell(epoch)


class ExactOrder(Guise):
    """A sampler that begins after the batches that were seen, and marks each with its place.

    Its length stays that of the whole epoch: Lightning counts the skipped batches as done.
    """

    def __init__(self, drawing: Drawing, passes: Passes, history: SamplerHistory) -> None:
        super().__init__(drawing.sampler, drawing=drawing, passes=passes, history=history)

    @property
    def sampler(self) -> TellsEpoch:
        return TellsEpoch(self.worn.sampler, passes=self.passes)

    def set_epoch(self, epoch: int) -> None:
        self.passes.epoch = epoch
        self.drawing.set_epoch(epoch)

    def __iter__(self) -> Iterator[Marked]:
        # Not before it is asked for the first batch: a loader with workers asks twice for an
        # iterator, and uses one.
        passes: Passes = self.passes
        at: Pass | None = passes.begin()
        self.history.go_to(at)
        while at is not None:
            done = 0
            for done, indices in enumerate(self.drawing.batches(*at.key), 1):
                if done > at.skip:
                    yield Marked(indices, (*at.key, done - 1))
            at = passes.end(at, done)
