"""Streams of samples, in batches that are the same whenever they are read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

from resilient_training.data.generators import (
    generators_in,
    plant,
    restore,
    states_of,
)
from resilient_training.data.guise import Guise
from resilient_training.data.randomness import seed_from
from resilient_training.data.sampler_history import is_stateful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from resilient_training.data.position import Pass

_EPOCH, _CYCLE, _SKIP, _RESTORING, _PASSED = range(5)


class Shipped(NamedTuple):
    """A batch on its way to the main process, which gives the training only what is in it.

    A tuple, because what pins memory looks into tuples.
    """

    batch: Any
    worker: int
    number: int
    state: Any


class Skipped(NamedTuple):
    """Stands for a batch that was seen: it need be neither collated nor sent."""

    worker: int


@dataclass(frozen=True)
class Collate:
    """The person's collate function, for what is shipped."""

    collate: Callable[[Any], Any]

    def __call__(self, read: Any) -> Any:  # noqa: ANN401 - of any collate function
        if isinstance(read, Skipped):
            return read
        if isinstance(read, Shipped):
            return read._replace(batch=self.collate(read.batch))
        return self.collate(read)


@dataclass(frozen=True)
class Worker:
    """The process that reads, `number` of `of`."""

    number: int
    of: int
    key: tuple[int, ...]

    @classmethod
    def here(cls, rank: int) -> Worker:
        info = get_worker_info()
        if info is None:
            return cls(0, 1, ())
        return cls(info.id, info.num_workers, (rank, info.id))

    def has_seen(self, number: int, skip: int) -> bool:
        """Whether its batch `number` is certainly among the first `skip` of all workers.

        They take turns; when one is through, the others come sooner than this says.
        """
        return number * self.of + self.number < skip


class ExactStream(Guise, IterableDataset[Any]):
    """Gives whole batches, and seeds torch, numpy and random before each is read.

    Before a pass it seeds the data set's own generators and sets its epoch. In the main process
    the seeds are the same for all ranks, as a stream may shuffle first and share out then.
    """

    def __init__(
        self,
        dataset: Iterable[Any],
        *,
        batch_size: int | None,
        drop_last: bool,
        key: tuple[int, ...],
        rank: int,
    ) -> None:
        Guise.__init__(
            self,
            dataset,
            batch_of=batch_size,
            whole_only=drop_last,
            key=key,
            rank=rank,
            plan=torch.zeros(5, dtype=torch.int64),
            ships=False,
            states={},
            skipped=0,
            generators=(),
        )

    def __len__(self) -> int:
        samples = super().__len__()
        if self.batch_of is None:
            return samples
        whole: int = samples // self.batch_of
        return whole if self.whole_only or samples == whole * self.batch_of else whole + 1

    def set_epoch(self, epoch: int) -> None:
        self.plan[_EPOCH] = epoch
        _set_epoch(self.worn, epoch)

    @property
    def epoch(self) -> int:
        return int(self.plan[_EPOCH].item())

    def begin(self, at: Pass, *, restoring: bool) -> None:
        """Say to all processes, also those that are there already, what to read next."""
        self.plan[:_PASSED] = torch.tensor([at.epoch, at.cycle, at.skip, int(restoring)])

    def __iter__(self) -> Iterator[Any]:
        epoch, cycle, skip, restoring, passed = self.plan.tolist()
        worker = Worker.here(self.rank)
        if restoring:
            yield from [Skipped(worker.number)] * (worker.number < skip % worker.of)
            skip = 0
        read = 0
        for number, batch in self._pass(epoch + passed, cycle, worker, restoring=bool(restoring)):
            read += 1
            # The last that was seen is read again to be compared.
            if self.ships and worker.has_seen(number, skip - 1):
                yield Skipped(worker.number)
            else:
                yield self._shipped(batch, worker, number)
        # A framework that skips by itself, and counts no passes, goes through several at once.
        while read and epoch == 0 and read * worker.of < self.skipped:
            passed += 1
            for _, batch in self._pass(epoch + passed, cycle, worker, restoring=False):
                read += 1
                yield batch
            self.plan[_PASSED] = passed

    def _pass(
        self, epoch: int, cycle: int, worker: Worker, *, restoring: bool
    ) -> Iterator[tuple[int, Any]]:
        key = (*self.key, epoch, cycle)
        self.generators = generators_in(self.worn)
        plant(self.generators, range(len(self.generators)), *key)
        _set_epoch(self.worn, epoch)
        number = 0
        seed_from(*key, *worker.key)
        if restoring and worker.number in self.states:
            number, state, positions = self.states[worker.number]
            if state is None:
                return
            self.worn.load_state_dict(state)
            source = iter(self.worn)
            restore(self.generators, positions)
        else:
            source = iter(self.worn)
        while True:
            seed_from(*key, *worker.key, number)
            read = self._read(source)
            if read is None:
                return
            yield number, read[0]
            number += 1

    def _read(self, source: Iterator[Any]) -> tuple[Any] | None:
        if self.batch_of is None:
            one = list(islice(source, 1))
            return (one[0],) if one else None
        batch = list(islice(source, self.batch_of))
        if not batch or (self.whole_only and len(batch) < self.batch_of):
            return None
        return (batch,)

    def _shipped(self, batch: Any, worker: Worker, number: int) -> Any:  # noqa: ANN401 - any batch
        if not self.ships:
            return batch
        state = None
        if is_stateful(self.worn) and keeps_all(self.worn):
            # A stream that is over may stand at its beginning again.
            over = self.batch_of is not None and len(batch) < self.batch_of
            behind = None if over else self.worn.state_dict()
            state = (number + 1, behind, states_of(self.generators))
        return Shipped(batch, worker.number, number, state)


def _set_epoch(dataset: object, epoch: int) -> None:
    if callable(tell := getattr(dataset, "set_epoch", None)):
        tell(epoch)


def keeps_all(dataset: object) -> bool:
    """Whether its state is all: that of Hugging Face's leaves out what a shuffle buffer holds."""
    held = [getattr(dataset, "_ex_iterable", None)]
    for one in held:
        if "Shuffle" in type(one).__name__ and hasattr(one, "buffer_size"):
            return False
        held += [getattr(one, "ex_iterable", None)] * hasattr(one, "ex_iterable")
        held += getattr(one, "ex_iterables", [])
    return True
