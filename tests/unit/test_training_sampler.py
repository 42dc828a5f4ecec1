from hypothesis import given
from hypothesis import strategies as st

from resilient_training import Position, ResumableSampler
from resilient_training.data.randomness import seed_for


def order(size: int, batch_size: int, seed: int, at: Position) -> list[int]:
    return list(ResumableSampler(size, batch_size=batch_size, seed=seed, position=lambda: at))


@given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 9), st.integers(0, 50))
def test_a_resumed_epoch_gives_exactly_the_rest_of_the_whole_one(
    size: int, batch_size: int, epoch: int, batches: int
) -> None:
    whole = order(size, batch_size, 3, Position(epoch, 0))
    assert sorted(whole) == list(range(size))
    assert order(size, batch_size, 3, Position(epoch, batches)) == whole[batches * batch_size :]


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    orders = [order(100, 10, seed, Position(epoch, 0)) for seed in (1, 2) for epoch in (0, 1)]
    assert len({tuple(indices) for indices in orders}) == 4


def test_the_length_stays_that_of_the_whole_epoch_after_a_resume() -> None:
    sampler = ResumableSampler(100, batch_size=10, seed=1, position=lambda: Position(2, 7))
    assert len(sampler) == 100
    assert len(list(sampler)) == 30


def test_neighbouring_keys_give_unrelated_seeds_that_torch_accepts() -> None:
    seeds = {seed_for(seed, epoch) for seed in range(30) for epoch in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
