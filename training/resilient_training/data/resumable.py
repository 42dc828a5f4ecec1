"""A loader for a loop of one's own, that goes on where the checkpoint was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from resilient_training.data.loaders import exact, inner_loader
from resilient_training.data.position import Position
from resilient_training.data.randomness import seed_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resilient_training.data.sampler_history import SaysDiffers

Batch = TypeVar("Batch")

_STEP = 3
_NOTHING = object()


class ResumableLoader(Generic[Batch]):
    """Gives the rest of an epoch, then the next: a part for `Attempt.resume`.

    Each batch comes with torch, numpy and random seeded from the seed, the epoch and its number,
    so that dropout is exact as well. It reads a batch ahead, to know which is the last.

    Args:
        loader: Any that `exact` takes.
        seed: Of the order, of the samples, and of what the step itself draws.
        rank: Of this process.
        notices: `Attempt.notices`, which is told what will differ nevertheless; None: the log is.
    """

    def __init__(
        self,
        loader: Iterable[Batch],
        *,
        seed: int,
        rank: int = 0,
        notices: SaysDiffers | None = None,
    ) -> None:
        self.seed = seed
        self.rank = rank
        self.epoch = 0
        self.batches = 0
        self.ends_epoch = False
        self.loader = exact(loader, seed=seed, position=self.position, rank=rank, notices=notices)

    def position(self) -> Position:
        """What the loop has been given so far."""
        return Position(self.epoch, self.batches)

    def __iter__(self) -> Iterator[Batch]:
        source = iter(self.loader)
        batch: Any = next(source, _NOTHING)
        while batch is not _NOTHING:
            coming = next(source, _NOTHING)
            self.ends_epoch = coming is _NOTHING
            seed_from(self.seed, _STEP, self.rank, self.epoch, self.batches)
            self.batches += 1
            yield batch
            batch = coming
        self.epoch, self.batches, self.ends_epoch = self.epoch + 1, 0, False

    def state_dict(self) -> dict[str, Any]:
        """Behind the batch that the loop has; behind an epoch's last, the next begins."""
        state = {"loader": inner_loader(self.loader).state_dict()}
        if self.ends_epoch:
            return {"epoch": self.epoch + 1, "batches": 0, **state}
        return {"epoch": self.epoch, "batches": self.batches, **state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self.batches = state_dict["epoch"], state_dict["batches"]
        inner_loader(self.loader).load_state_dict(state_dict["loader"])
