"""The order of the data, as a pure function of the seed and of the place in the training."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from typing_extensions import override

from resilient_training.data.position import Position
from resilient_training.data.randomness import seed_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized

    from lightning.pytorch import Trainer
    from lightning.pytorch.loops.progress import _ProcessedTracker

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class Share:
    """The part of the data that is for process `rank`, from 0, of so many."""

    rank: int = 0
    of: int = 1


def position_of(trainer: Trainer) -> Position:
    """Read the position from the trainer's loops, which its checkpoints restore.

    A checkpoint made at the last batch of an epoch counts every batch as ready although the next
    epoch is what comes; skipping them all would train an empty epoch.
    """
    epochs = cast("_ProcessedTracker", trainer.fit_loop.epoch_progress.current)
    batches = trainer.fit_loop.epoch_loop.batch_progress
    if epochs.processed >= epochs.started:
        return Position(epochs.processed, 0)
    if batches.is_last_batch:
        return Position(epochs.processed + 1, 0)
    return Position(epochs.processed, batches.current.ready)


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


def resumable_loader(
    dataset: Dataset[Sample],
    trainer: Trainer | None,
    *,
    batch_size: int,
    seed: int,
    workers: int = 0,
) -> DataLoader[Sample]:
    """A DataLoader over a sized dataset that continues where the trainer's checkpoint stopped.

    For a DataModule's `train_dataloader`, with its `self.trainer`.
    """
    if trainer is None:
        raise ValueError("only a DataModule that a Trainer holds has a place to resume from")
    sampler = ResumableSampler(
        len(cast("Sized", dataset)),
        batch_size=batch_size,
        seed=seed,
        position=lambda: position_of(trainer),
        share=Share(trainer.global_rank, trainer.world_size),
    )
    # Each epoch's iterator draws a seed for its workers. It may not draw it from the randomness
    # that StepSeeds has just set: a resumed training makes its first iterator before that.
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        generator=torch.Generator(),
    )
