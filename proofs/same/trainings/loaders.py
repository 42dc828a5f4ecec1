"""Lightning: loaders, samplers and streams as people make them."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
)

from proofs.same.trainings.network import (
    BATCH,
    DATA,
    INPUTS,
    WANTED,
    Network,
    held_out,
    loader,
    train,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def _with(**options: Any) -> None:
    train(Network, loader(**options), held_out())


def shuffle() -> None:
    _with()


def in_order() -> None:
    _with(shuffle=False)


def own_generator() -> None:
    _with(generator=torch.Generator().manual_seed(3))


def weighted() -> None:
    weights = [1.0 + number % 5 for number in range(45)]
    _with(shuffle=None, sampler=WeightedRandomSampler(weights, 45))


def subset() -> None:
    _with(shuffle=None, sampler=SubsetRandomSampler(range(0, 45, 1)))


def batch_sampler() -> None:
    sampler = BatchSampler(RandomSampler(DATA), BATCH, drop_last=False)
    train(Network, DataLoader(DATA, batch_sampler=sampler), held_out())


class _Counting(torch.utils.data.Sampler[int]):
    """A sampler with a memory of its own: each epoch goes on where the last ended."""

    def __init__(self) -> None:
        self.start = 0

    def __len__(self) -> int:
        return 45

    def __iter__(self) -> Iterator[int]:
        self.start += 1
        return iter([(self.start * 7 + number) % 45 for number in range(45)])


def sampler_with_a_memory() -> None:
    _with(shuffle=None, sampler=_Counting())


def drop_last() -> None:
    _with(drop_last=True)


def _noisy_collate(samples: list[Any]) -> Any:
    inputs, wanted = default_collate(samples)
    return inputs + 0.1 * torch.rand_like(inputs) + 0.1 * random.random(), wanted


def random_collate() -> None:
    _with(collate_fn=_noisy_collate)


class _Augmented(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 45

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = random.random() + float(np.random.rand()) + torch.rand(4)  # noqa: NPY002
        return INPUTS[index] + 0.1 * noise, WANTED[index]


def augmented() -> None:
    train(Network, loader(_Augmented()), held_out())


def workers() -> None:
    _with(num_workers=2)


def augmented_in_workers() -> None:
    train(Network, loader(_Augmented(), num_workers=2), held_out())


def persistent_workers() -> None:
    train(Network, loader(_Augmented(), num_workers=2, persistent_workers=True), held_out())


def reloaded_each_epoch() -> None:
    class Reloading(Network):
        def train_dataloader(self) -> Any:
            return loader(batch_size=BATCH + self.current_epoch)

        def val_dataloader(self) -> Any:
            return held_out()

    train_itself(Reloading, reload_dataloaders_every_n_epochs=1)


def train_itself(model: type[Network], **options: Any) -> None:
    train(model, None, **options)


class _Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(INPUTS, WANTED, strict=True)


def stream() -> None:
    train(Network, DataLoader(_Stream(), batch_size=BATCH), held_out())


class _Endless(_Stream):
    """Draws anew for each sample, and never ends."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            index = random.randrange(45)
            yield INPUTS[index], WANTED[index]


def endless_stream() -> None:
    endless = DataLoader(_Endless(), batch_size=BATCH)
    train(Network, endless, held_out(), max_epochs=-1, max_steps=33, val_check_interval=10)


class _Resumable(_Stream):
    """A stream that knows where it is, as torchdata and Hugging Face datasets have it."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in range(self.at, 45):
            self.at = index + 1
            yield INPUTS[index], WANTED[index]
        self.at = 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


def stream_with_a_state() -> None:
    train(Network, DataLoader(_Resumable(), batch_size=BATCH), held_out())


def stream_in_workers() -> None:
    train(Network, DataLoader(_Stream(), batch_size=BATCH, num_workers=2), held_out())


class _Ready:
    """Batches that are made once, in an iterable of one's own."""

    def __init__(self) -> None:
        made = range(0, len(DATA), BATCH)
        self.batches = [
            default_collate([DATA[i] for i in range(n, min(n + BATCH, 45))]) for n in made
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def ready_batches() -> None:
    train(Network, _Ready(), held_out())


class _Both(Network):
    def loss(self, batch: Any) -> Tensor:
        if isinstance(batch, dict):
            found = [super(_Both, self).loss(one) for one in batch.values() if one is not None]
            return torch.stack(found).mean()
        return super().loss(batch)


def _combined(mode: Any) -> None:
    few = torch.utils.data.Subset(DATA, range(17))
    both = CombinedLoader({"many": loader(), "few": loader(few)}, mode)
    train(_Both, both, held_out())


def combined_max_size_cycle() -> None:
    _combined("max_size_cycle")


def combined_min_size() -> None:
    _combined("min_size")


def combined_max_size() -> None:
    _combined("max_size")


def combined_sequential() -> None:
    few = torch.utils.data.Subset(DATA, range(17))
    train(Network, CombinedLoader([loader(), loader(few)], "sequential"), held_out())


def dict_of_loaders() -> None:
    train(_Both, {"one": loader(), "two": loader(batch_size=BATCH)}, held_out())


def stateful_loader() -> None:
    from torchdata.stateful_dataloader import StatefulDataLoader

    train(Network, StatefulDataLoader(DATA, batch_size=BATCH, shuffle=True), held_out())


def datasets_stream() -> None:
    import datasets

    rows = [
        {"inputs": inputs, "wanted": wanted}
        for inputs, wanted in zip(INPUTS.tolist(), WANTED.tolist(), strict=True)
    ]
    whole = datasets.Dataset.from_list(rows).to_iterable_dataset(num_shards=3)
    stream = whole.shuffle(seed=3, buffer_size=10).with_format("torch")

    class Named(Network):
        def loss(self, batch: Any) -> Tensor:
            pair = (batch["inputs"], batch["wanted"]) if isinstance(batch, dict) else batch
            return super().loss(pair)

    train(Named, DataLoader(stream, batch_size=BATCH), held_out())


def zipped_forever() -> None:
    """What people do for two data sets: `zip` and `cycle`, which nothing can look into."""

    class Zipped:
        def __iter__(self) -> Iterator[Any]:
            return zip(loader(), itertools.cycle(loader(batch_size=BATCH)), strict=False)

        def __len__(self) -> int:
            return 12

    class First(Network):
        def loss(self, batch: Any) -> Tensor:
            return super().loss(batch[0] if isinstance(batch[0], list) else batch)

    train(First, Zipped(), held_out())
