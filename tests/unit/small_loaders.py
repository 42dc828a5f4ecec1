"""Data sets that draw on every source of randomness, and a training that reads and is resumed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from resilient_training.data.loaders import exact
from resilient_training.data.position import Position


def drawn(index: int) -> Tensor:
    noise = [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002, S311
    return torch.tensor([index, *noise], dtype=torch.float64)


class Augmented(Dataset[Tensor]):
    """Draws from the three global sources and from a generator of its own."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.own = np.random.default_rng(3)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Tensor:
        return drawn(index) + self.own.random()


class Shuffled(IterableDataset[Tensor]):
    """A stream of whole numbers through a shuffle buffer, shared out among the workers."""

    def __init__(self, size: int) -> None:
        self.size = size

    def numbers(self) -> range:
        worker = get_worker_info()
        return (
            range(self.size) if worker is None else range(worker.id, self.size, worker.num_workers)
        )

    def __iter__(self) -> Iterator[Tensor]:
        waiting: list[int] = []
        for number in self.numbers():
            waiting.append(number)
            if len(waiting) == 5:
                yield drawn(waiting.pop(random.randrange(5)))  # noqa: S311
        for number in waiting:
            yield drawn(number)


class Stateful(Shuffled):
    """A stream that knows where it is."""

    read = 0
    begins = 0

    def __iter__(self) -> Iterator[Tensor]:
        self.at, self.begins = self.begins, 0
        for number in self.numbers()[self.at :]:
            self.at += 1
            self.read += 1
            yield drawn(number)
        self.at = 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.begins = state["at"]


@dataclass
class Said:
    """Notices."""

    lines: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        self.lines.append(what)


@dataclass
class Training:
    """Reads batches, draws at random in between, and can be broken off and resumed."""

    make: Callable[[], Any]
    seed: int = 1
    said: Said = field(default_factory=Said)
    at: Position = field(default_factory=lambda: Position(0, 0))
    rank: int = 0

    def epochs(
        self,
        first: Position,
        *,
        stop: Position | None = None,
        state: dict[str, Any] | None = None,
        epochs: int = 2,
    ) -> tuple[list[list[Any]], Any]:
        """The batches of each epoch from `first` on, and the loader's state where it stopped."""
        torch.manual_seed(0)
        self.at = first
        loader = exact(
            self.make(),
            seed=self.seed,
            position=lambda: self.at,
            rank=self.rank,
            notices=self.said,
        )
        if state is not None:
            loader.load_state_dict(state)
        given: list[list[Any]] = []
        while self.at.epoch < epochs:
            given.append([])
            for batch in loader:
                given[-1].append(batch)
                self.at = Position(self.at.epoch, self.at.batches + 1)
                if self.at == stop:
                    return given, loader.state_dict()
                torch.rand(random.randrange(1, 9))  # noqa: S311 - as a training step does
            self.at = Position(self.at.epoch + 1, 0)
            if self.at == stop:
                break
        return given, loader.state_dict()

    def resumed(self, at: Position, epochs: int = 2) -> list[str]:
        """All batches of a training that is broken off there and resumed in another process."""
        before, state = self.epochs(Position(0, 0), stop=at, epochs=epochs)
        after, _ = self.epochs(at, state=state, epochs=epochs)
        return flat(before) + flat(after)

    def unbroken(self, epochs: int = 2) -> list[str]:
        return flat(self.epochs(Position(0, 0), epochs=epochs)[0])


def flat(epochs: list[list[Any]]) -> list[str]:
    return [repr(exactly(batch)) for batches in epochs for batch in batches]


def exactly(batch: Any) -> Any:  # noqa: ANN401 - of any loader
    """To the last bit, which a tensor's own repr is not."""
    if isinstance(batch, Tensor):
        return batch.tolist()
    return (
        {name: exactly(value) for name, value in batch.items()}
        if isinstance(batch, dict)
        else batch
    )
