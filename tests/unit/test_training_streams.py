"""A resume of a stream gives the rest as it would have been: by its own state, or read again."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from resilient_training.data.loaders import exact
from resilient_training.data.position import Position
from tests.unit.small_loaders import Shuffled, Stateful, Training, drawn, flat

SIZE, BATCH = 18, 4


class Sized(Shuffled):
    def __len__(self) -> int:
        return self.size


STREAMS: dict[str, Callable[[], Any]] = {
    "a shuffle buffer": lambda: DataLoader(Shuffled(SIZE), BATCH),
    "drop_last": lambda: DataLoader(Shuffled(SIZE), BATCH, drop_last=True),
    "no batches": lambda: DataLoader(Shuffled(SIZE), None),
    "its own state": lambda: DataLoader(Stateful(SIZE), BATCH),
    "its own state, no batches": lambda: DataLoader(Stateful(SIZE), None),
    "an iterable that is no loader": lambda: Shuffled(SIZE),
    "a list of batches": lambda: [torch.full((2,), float(number)) for number in range(5)],
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("at", [Position(0, 1), Position(0, 4), Position(1, 0), Position(1, 3)])
def test_a_resume_gives_the_rest_to_the_last_bit(name: str, at: Position) -> None:
    training = Training(STREAMS[name])
    assert training.resumed(at) == training.unbroken()
    assert training.said.lines == []


def test_each_epoch_of_a_shuffled_stream_has_an_order_of_its_own() -> None:
    given, _ = Training(STREAMS["a shuffle buffer"]).epochs(Position(0, 0))
    assert flat(given[:1]) != flat(given[1:])


def test_a_stream_with_a_state_is_not_read_again_up_to_where_it_was() -> None:
    dataset = Stateful(SIZE)
    _, state = Training(STREAMS["its own state"]).epochs(Position(0, 0), stop=Position(0, 3))
    Training(lambda: DataLoader(dataset, BATCH)).epochs(Position(0, 3), state=state, epochs=1)
    assert dataset.read == SIZE - 3 * BATCH


def test_a_reader_that_is_ahead_saves_the_state_of_what_was_trained_on() -> None:
    at = Position(0, 0)
    loader: Any = exact(DataLoader(Stateful(SIZE), BATCH), seed=1, position=lambda: at)
    source = iter(loader)
    batches = [next(source) for _ in range(3)]
    at = Position(0, 2)
    state = loader.state_dict()
    again: Any = exact(DataLoader(Stateful(SIZE), BATCH), seed=1, position=lambda: at)
    again.load_state_dict(state)
    assert torch.equal(next(iter(again)), batches[2])
    assert state["states"][0][1] == {"at": 2 * BATCH}


def test_reading_again_is_said_with_how_much_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Training(STREAMS["a shuffle buffer"]).epochs(Position(0, 3), epochs=1)
    assert "reading 3 batches of the stream again that were seen" in caplog.messages


def test_a_stream_that_gives_something_else_the_second_time_is_said() -> None:
    class Changed(Shuffled):
        def __iter__(self) -> Iterator[Tensor]:
            return (drawn(number) for number in reversed(range(self.size)))

    _, state = Training(STREAMS["a shuffle buffer"]).epochs(Position(0, 0), stop=Position(0, 2))
    training = Training(lambda: DataLoader(Changed(SIZE), BATCH))
    training.epochs(Position(0, 2), state=state, epochs=1)
    assert training.said.lines == [
        "the stream: batch 2 of epoch 0 is another than the one that was trained on"
    ]


def test_an_iterator_that_cannot_begin_anew_is_said() -> None:
    training = Training(lambda: (torch.zeros(1) for _ in range(3)))
    training.epochs(Position(0, 0), epochs=1)
    assert "generator is an iterator, which cannot begin anew" in training.said.lines[0]


def test_a_loader_of_a_sized_stream_has_as_many_batches_as_before() -> None:
    for drop_last in (False, True):
        made = DataLoader(Sized(SIZE), BATCH, drop_last=drop_last)
        assert len(exact(made, seed=1, position=lambda: Position(0, 0))) == len(made)


def cycled(at: Position, batches: int) -> list[Any]:
    """What Lightning's max_size_cycle makes of a shorter loader, from `at` to the epoch's end."""
    loader = exact(DataLoader(Stateful(10), BATCH), seed=1, position=lambda: at)
    given: list[Any] = []
    source = iter(loader)
    while len(given) + at.batches < batches:
        batch = next(source, None)
        if batch is None:
            source = iter(loader)
        else:
            given.append(batch)
    return flat([given])


@pytest.mark.parametrize("seen", [1, 3, 4, 6, 8])
def test_a_resume_in_a_later_cycle_gives_the_rest_of_that_cycle(seen: int) -> None:
    assert cycled(Position(0, seen), 11) == cycled(Position(0, 0), 11)[seen:]


@pytest.mark.parametrize("kind", [Shuffled, Stateful])
def test_worker_processes_go_on_as_well(kind: type[Shuffled]) -> None:
    training = Training(lambda: DataLoader(kind(24), BATCH, num_workers=2))
    assert training.resumed(Position(0, 3), epochs=1) == training.unbroken(epochs=1)
    assert training.said.lines == []


def test_persistent_workers_hear_of_the_next_epoch() -> None:
    training = Training(
        lambda: DataLoader(Stateful(24), BATCH, num_workers=2, persistent_workers=True)
    )
    assert training.resumed(Position(0, 3)) == training.unbroken()


def test_another_number_of_workers_is_said() -> None:
    _, state = Training(STREAMS["a shuffle buffer"]).epochs(Position(0, 0), stop=Position(0, 2))
    training = Training(lambda: DataLoader(Shuffled(SIZE), BATCH, num_workers=1))
    training.epochs(Position(0, 2), state=state, epochs=1)
    assert training.said.lines[0] == (
        "the order of the stream: 0 workers read it before, and 1 do now"
    )
