"""The order of the data, as a pure function of the seed and of the place in the training."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, cast

import torch
from torch.utils.data import Dataset, DistributedSampler
from typing_extensions import override

from resilient_training.data.randomness import seed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resilient_training.data.position import Position


@dataclass(frozen=True)
class Share:
    """The part of the data that is for process `rank`, from 0, of so many."""

    rank: int = 0
    of: int = 1


class ResumableSampler(DistributedSampler[int]):
    """Shuffles anew in each epoch, and starts after the batches that a checkpoint has seen.

    Of several processes each gets every n-th sample of the one order; the first samples fill up
    where they do not come out even, so that none waits for a batch that another does not have.
    It is a DistributedSampler, so Lightning puts no other in its place.

    Its length is that of the process's whole epoch, also after a resume: Lightning counts the
    skipped batches as done.
    """

    def __init__(
        self,
        size: int,
        *,
        batch_size: int,
        seed: int,
        position: Callable[[], Position],
        share: Share = Share(),
    ) -> None:
        indices = cast("Dataset[int]", range(size))
        super().__init__(indices, num_replicas=share.of, rank=share.rank, seed=seed)
        self.size = size
        self.batch_size = batch_size
        self.position = position

    @override
    def __iter__(self) -> Iterator[int]:
        at = self.position()
        generator = torch.Generator().manual_seed(seed_for(self.seed, at.epoch))
        order: list[int] = torch.randperm(self.size, generator=generator).tolist()
        even = list(islice(cycle(order), self.total_size))
        mine = even[self.rank :: self.num_replicas]
        return iter(mine[at.batches * self.batch_size :])
