from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer

from resilient_training import ResumableSampler, position_of
from resilient_training.data.randomness import seed_for
from resilient_training.data.sampler import Position


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


def trainer_at(*, epochs_started: int, epochs_processed: int, batches: int, last: bool) -> Trainer:
    trainer = Trainer(logger=False, barebones=True)
    epochs = trainer.fit_loop.epoch_progress.current
    vars(epochs).update(started=epochs_started, processed=epochs_processed)
    progress = trainer.fit_loop.epoch_loop.batch_progress
    progress.current.ready = batches
    progress.is_last_batch = last
    return trainer


def test_a_fresh_trainer_stands_at_the_very_beginning() -> None:
    at = trainer_at(epochs_started=0, epochs_processed=0, batches=0, last=False)
    assert position_of(at) == Position(0, 0)


def test_a_checkpoint_in_mid_epoch_continues_behind_its_batches() -> None:
    at = trainer_at(epochs_started=3, epochs_processed=2, batches=17, last=False)
    assert position_of(at) == Position(2, 17)


def test_a_checkpoint_of_an_epoch_end_continues_with_the_next_epoch() -> None:
    at = trainer_at(epochs_started=3, epochs_processed=3, batches=23, last=True)
    assert position_of(at) == Position(3, 0)


def test_a_checkpoint_at_the_last_batch_does_not_train_an_empty_epoch() -> None:
    at = trainer_at(epochs_started=3, epochs_processed=2, batches=23, last=True)
    assert position_of(at) == Position(3, 0)
