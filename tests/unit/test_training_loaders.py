"""A resume gives the rest of the epoch as it would have been, for loaders over indexed data."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from resilient_training.data.loaders import exact, inner_loader
from resilient_training.data.position import Position
from tests.unit.small_loaders import Augmented, Said, Training, flat

SIZE, BATCH, BATCHES = 18, 4, 5


class ShufflesInPlace:
    """A batch sampler of one's own, whose order comes out of the order before."""

    def __init__(self) -> None:
        self.order = list(range(SIZE))

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[list[int]]:
        random.shuffle(self.order)
        yield from BatchSampler(self.order, BATCH, drop_last=False)


class DrawsLate:
    """Draws each batch when it is asked for it, in between the training's own draws."""

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for _ in range(BATCHES):
            yield tuple(random.randrange(SIZE) for _ in range(BATCH))  # noqa: S311


class Counts(Sampler[int]):
    """Has its own idea of what epoch it is."""

    def __init__(self) -> None:
        self.passes = 0

    def __len__(self) -> int:
        return SIZE

    def __iter__(self) -> Iterator[int]:
        self.passes += 1
        generator = torch.Generator().manual_seed(self.passes)
        return iter(torch.randperm(SIZE, generator=generator).tolist())


class Keeps(Counts):
    """The same, and it has a state."""

    def state_dict(self) -> dict[str, int]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.passes = state["passes"]


def noisy(samples: list[Tensor]) -> Tensor:
    return torch.stack(samples) + random.random()  # noqa: S311


def over(sampler: Callable[[], Any]) -> DataLoader[Tensor]:
    return DataLoader(Augmented(SIZE), BATCH, sampler=sampler())


def batched(sampler: Callable[[], Any]) -> DataLoader[Tensor]:
    return DataLoader(Augmented(SIZE), batch_sampler=sampler(), collate_fn=noisy)


LOADERS: dict[str, Callable[[], DataLoader[Tensor]]] = {
    "shuffle": lambda: DataLoader(Augmented(SIZE), BATCH, shuffle=True),
    "drop_last": lambda: DataLoader(Augmented(SIZE), BATCH, shuffle=True, drop_last=True),
    "a collate function that draws": lambda: DataLoader(
        Augmented(SIZE), BATCH, shuffle=True, collate_fn=noisy
    ),
    "a generator of one's own": lambda: DataLoader(
        Augmented(SIZE), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "no batches": lambda: DataLoader(Augmented(SIZE), None, shuffle=True),
    "with replacement": partial(
        over, lambda: RandomSampler(range(SIZE), replacement=True, num_samples=SIZE)
    ),
    "weights": partial(over, lambda: WeightedRandomSampler([1.0, 2.0] * 9, SIZE)),
    "a subset": partial(over, lambda: SubsetRandomSampler(range(3, SIZE))),
    "a share": partial(over, lambda: DistributedSampler(Augmented(2 * SIZE), 2, 1)),
    "ShufflesInPlace": partial(batched, ShufflesInPlace),
    "DrawsLate": partial(batched, DrawsLate),
    "Counts": partial(over, Counts),
    "Keeps": partial(over, Keeps),
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("at", [Position(0, 1), Position(0, 4), Position(1, 0), Position(1, 3)])
def test_a_resume_gives_the_rest_to_the_last_bit(name: str, at: Position) -> None:
    training = Training(LOADERS[name])
    assert training.resumed(at) == training.unbroken()
    assert training.said.lines == []


@given(
    size=st.integers(1, 60),
    batch=st.integers(1, 9),
    drop_last=st.booleans(),
    epoch=st.integers(0, 3),
    seen=st.integers(0, 30),
)
@settings(max_examples=40)
def test_of_any_size_a_resume_gives_what_is_left_of_the_epoch(
    size: int, batch: int, *, drop_last: bool, epoch: int, seen: int
) -> None:
    training = Training(
        lambda: DataLoader(Augmented(size), batch, shuffle=True, drop_last=drop_last)
    )
    whole = flat(training.epochs(Position(epoch, 0), epochs=epoch + 1)[0])
    assert flat(training.epochs(Position(epoch, seen), epochs=epoch + 1)[0]) == whole[seen:]


@pytest.mark.parametrize("name", LOADERS)
def test_each_epoch_has_an_order_of_its_own(name: str) -> None:
    given, _ = Training(LOADERS[name]).epochs(Position(0, 0), epochs=3)
    assert len({tuple(flat([batches])) for batches in given}) == 3


@pytest.mark.parametrize("name", sorted(set(LOADERS) - {"Counts", "Keeps"}))
def test_another_seed_gives_another_order(name: str) -> None:
    orders = [Training(LOADERS[name], seed=seed).unbroken() for seed in (1, 2)]
    assert orders[0] != orders[1]


def test_the_samples_that_were_seen_are_not_read_again() -> None:
    read: list[int] = []

    class Watched(Augmented):
        def __getitem__(self, index: int) -> Tensor:
            read.append(index)
            return super().__getitem__(index)

    loader = exact(
        DataLoader(Watched(SIZE), BATCH, shuffle=True), seed=1, position=lambda: Position(0, 3)
    )
    assert len(list(loader)) == BATCHES - 3
    assert len(read) == SIZE - 3 * BATCH
    assert len(loader) == BATCHES


def test_the_shares_of_two_ranks_are_disjoint_and_draw_otherwise() -> None:
    def share(rank: int) -> list[list[float]]:
        made = partial(over, lambda: DistributedSampler(Augmented(SIZE), 2, rank))
        given, _ = Training(made, rank=rank).epochs(Position(0, 0), epochs=1)
        return [sample for batch in given[0] for sample in batch.tolist()]

    shares = [share(rank) for rank in range(2)]
    noise = [{value - int(value) for sample in one for value in sample} for one in shares]
    assert not noise[0] & noise[1]
    assert sum(len(one) for one in shares) == SIZE


def test_a_data_set_keeps_its_own_way_to_fetch_a_batch_its_attributes_and_its_class() -> None:
    class Batched(Augmented):
        def __getitems__(self, indices: list[int]) -> list[str]:
            assert type(indices) is list
            return [f"sample {index}" for index in indices]

    loader = exact(
        DataLoader(Batched(4), 2, collate_fn=list), seed=1, position=lambda: Position(0, 0)
    )
    assert list(loader) == [["sample 0", "sample 1"], ["sample 2", "sample 3"]]
    dataset: Any = loader.dataset
    assert isinstance(dataset, Batched)
    assert (dataset.size, len(dataset)) == (4, 4)
    dataset.size = 2
    assert len(dataset) == 2


def test_the_loader_is_a_copy_of_its_own_class_with_what_that_holds() -> None:
    class Own(DataLoader[Tensor]):
        name = "none"

    made = Own(Augmented(SIZE), BATCH, shuffle=True)
    made.name = "mine"
    loader = exact(made, seed=1, position=lambda: Position(0, 0))
    assert isinstance(loader, Own)
    assert loader.name == "mine"
    assert type(made.dataset) is Augmented
    assert isinstance(loader.sampler, RandomSampler)


def test_a_loader_that_is_made_exact_again_gives_the_same_again() -> None:
    made = DataLoader(
        Augmented(SIZE), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5)
    )
    shared = DataLoader(Augmented(SIZE), BATCH, sampler=DistributedSampler(Augmented(SIZE), 2, 1))
    for loader in (made, shared):
        twice = [exact(loader, seed=1, position=lambda: Position(0, 0)) for _ in range(2)]
        assert len({tuple(flat([list(one)])) for one in twice}) == 1


def test_generators_in_lockstep_stay_so_and_loaders_that_are_not_draw_apart() -> None:
    def order(generator: torch.Generator | None, part: int) -> list[str]:
        made = DataLoader(
            TensorDataset(torch.arange(SIZE)), BATCH, shuffle=True, generator=generator
        )
        return flat([list(exact(made, seed=1, position=lambda: Position(0, 0), part=part))])

    paired = [order(torch.Generator().manual_seed(5), part) for part in range(2)]
    apart = [order(None, part) for part in range(2)]
    assert paired[0] == paired[1]
    assert apart[0] != apart[1]


def test_a_generator_that_was_seeded_at_random_is_found_again() -> None:
    def make() -> DataLoader[Tensor]:
        generator = torch.Generator()
        generator.seed()
        return DataLoader(Augmented(SIZE), BATCH, shuffle=True, generator=generator)

    before, state = Training(make).epochs(Position(0, 0), stop=Position(0, 2))
    after, _ = Training(make).epochs(Position(0, 2), state=state, epochs=1)
    assert len({sample[0] // 1 for batch in [*before[0], *after[0]] for sample in batch}) == SIZE


@pytest.mark.parametrize("name", ["shuffle", "Counts", "Keeps"])
def test_a_training_that_had_read_all_has_the_same_state_after_a_resume(name: str) -> None:
    _, state = Training(LOADERS[name]).epochs(Position(0, 0), epochs=2)
    again = exact(LOADERS[name](), seed=1, position=lambda: Position(1, BATCHES))
    inner_loader(again).load_state_dict(state)
    assert inner_loader(again).state_dict() == state


def test_an_order_that_comes_from_elsewhere_is_said() -> None:
    class Elsewhere(Counts):
        def __iter__(self) -> Iterator[int]:
            order = list(range(SIZE))
            random.SystemRandom().shuffle(order)
            return iter(order)

    training = Training(partial(over, Elsewhere))
    training.unbroken()
    assert any("Elsewhere gives two orders for one seed" in line for line in training.said.lines)


def test_batches_that_come_as_they_are_done_are_said() -> None:
    said = Said()
    loader = DataLoader(Augmented(SIZE), BATCH, num_workers=1, in_order=False)
    exact(loader, seed=1, position=lambda: Position(0, 0), notices=said)
    assert "in_order=False" in said.lines[0]


def test_a_loader_that_keeps_one_iterator_is_said_and_skips_by_reading() -> None:
    class Endless(DataLoader[Tensor]):
        def __init__(self) -> None:
            super().__init__(Augmented(SIZE), BATCH, shuffle=True)
            self.kept = super().__iter__()

        def __iter__(self) -> Any:  # noqa: ANN401 - as DataLoader's, whose type is private
            for _ in range(BATCHES):
                yield next(self.kept)

    training = Training(Endless)
    given, _ = training.epochs(Position(0, 2), epochs=1)
    assert len(given[0]) == BATCHES - 2
    assert training.said.lines == ["the data: Endless keeps one iterator over all epochs"]


def test_data_that_grew_between_two_attempts_is_said() -> None:
    _, state = Training(LOADERS["shuffle"]).epochs(Position(0, 0), stop=Position(0, 2))
    grown = Training(lambda: DataLoader(Augmented(SIZE + 1), BATCH, shuffle=True))
    grown.epochs(Position(0, 2), state=state, epochs=1)
    assert grown.said.lines == ["the data: 19 samples, and 18 before the resume"]


@pytest.mark.parametrize("persistent", [False, True])
def test_worker_processes_draw_what_the_main_process_draws(*, persistent: bool) -> None:
    alone = Training(lambda: DataLoader(Augmented(SIZE), BATCH, shuffle=True, collate_fn=noisy))
    helped = Training(
        lambda: DataLoader(
            Augmented(SIZE),
            BATCH,
            shuffle=True,
            collate_fn=noisy,
            num_workers=2,
            prefetch_factor=3,
            persistent_workers=persistent,
        )
    )
    assert helped.resumed(Position(1, 2)) == alone.unbroken()
