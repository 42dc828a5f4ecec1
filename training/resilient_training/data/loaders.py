"""Any loader, made exact: what a resume gives is what an unbroken training would have had."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from torch.utils.data import DataLoader, IterableDataset
from typing_extensions import override

from resilient_training.data.guise import Guise
from resilient_training.data.order import Drawing, ExactOrder, TellsEpoch
from resilient_training.data.position import Passes
from resilient_training.data.randomness import drawing
from resilient_training.data.reading import Reading
from resilient_training.data.sampler_history import SamplerHistory
from resilient_training.data.samples import ExactSamples
from resilient_training.data.streams import Collate, ExactStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resilient_training.data.position import Position
    from resilient_training.data.sampler_history import SaysDiffers

_log = logging.getLogger(__name__)

Loader = TypeVar("Loader")

_SAMPLES, _STREAM, _WORKERS = range(3)


class _ToLog:
    def differs(self, what: str) -> None:
        _log.warning("a resume will differ: %s", what)


def exact(  # noqa: PLR0913 - each is one thing that the batches depend on
    loader: Loader,
    *,
    seed: int,
    position: Callable[[], Position] | None = None,
    rank: int = 0,
    part: int = 0,
    skipped: int = 0,
    notices: SaysDiffers | None = None,
) -> Loader:
    """A copy of a loader, of its own class, that gives a resume what an unbroken training had.

    The order of an epoch is a function of the seed and the epoch; what samples, transforms and
    the collate function draw is a function of the seed, the rank, the epoch and the number of the
    batch, in worker processes too. A pass begins behind the batches that `position` says were
    seen: of an indexed data set they are not read again; a stream goes on from its own state, or
    else is read again up to there.

    The copy has `state_dict` and `load_state_dict`, for what seed and position do not say.

    Args:
        loader: A DataLoader of any class, accelerate's included, or anything to iterate over.
        seed: Of the order and of each batch's randomness.
        position: Where the training is, asked for when a pass begins. None: the framework itself
            skips what was seen, as Hugging Face's Trainer does, and says `set_epoch`.
        rank: Of this process; its samples draw otherwise than those of the others.
        part: Which loader it is, of several whose batches are used together (Lightning's
            CombinedLoader): each has an order of its own.
        skipped: Batches that a framework without a position is about to skip; only a stream that
            is shorter than the training needs it.
        notices: Is told what will differ nevertheless; None: the log is.
    """
    what = _Exactness(seed, position, rank, part, skipped, notices or _ToLog())
    inner = getattr(loader, "base_dataloader", None)
    if isinstance(inner, DataLoader):  # accelerate's, whose class is that of its inner loader
        made = _copy(loader, type(loader))
        vars(made)["base_dataloader"] = what.loader(inner)
        return made
    if isinstance(loader, DataLoader):
        return cast("Loader", what.loader(loader))
    return cast("Loader", what.iterable(cast("Iterable[Any]", loader)))


def inner_loader(loader: object) -> Any:  # noqa: ANN401 - whatever `exact` was given
    """Of what `exact` made, that which has its state."""
    return getattr(loader, "base_dataloader", loader)


def _copy(one: Loader, kind: type) -> Loader:
    """Without making it anew, which loses what its class holds besides."""
    made: Loader = object.__new__(kind)
    vars(made).update(vars(one))
    return made


@dataclass(frozen=True)
class _Exactness:
    """The words of `exact`."""

    seed: int
    position: Callable[[], Position] | None
    rank: int
    part: int
    skipped: int
    notices: SaysDiffers

    def loader(self, loader: DataLoader[Any]) -> DataLoader[Any]:
        if loader.num_workers and not loader.in_order:
            self.notices.differs("the order of the batches: in_order=False gives them as they come")
        if isinstance(loader.dataset, IterableDataset):
            return self._streaming(loader)
        return self._indexed(loader)

    def iterable(self, iterable: Iterable[Any]) -> Iterable[Any]:
        if isinstance(iterable, Iterator):
            self.notices.differs(
                f"all after the first epoch, if there is more: {type(iterable).__name__} is an "
                "iterator, which cannot begin anew"
            )
        stream = self._stream(iterable, None, drop_last=False)
        stream.ships = True
        return _ExactIterable(iterable, reading=self._reading(stream, 0), stream=stream)

    def _indexed(self, loader: DataLoader[Any]) -> DataLoader[Any]:
        made = _exact_copy(loader, _Indexed)
        batching = loader.batch_sampler is not None
        sampler = loader.batch_sampler if batching else loader.sampler
        drawn = Drawing(sampler, self.seed, self.part, loader.generator)
        order = ExactOrder(
            drawn, Passes(self.position), SamplerHistory(drawn, loader.dataset, self.notices)
        )
        samples = ExactSamples(loader.dataset, (self.seed, self.part, _SAMPLES, self.rank))
        vars(made).update(dataset=samples, exactness=self, order=order, sampler=order)
        if batching:
            telling = TellsEpoch(loader.sampler, passes=order.passes)
            vars(made).update(batch_sampler=order, sampler=telling)
        return made

    def _streaming(self, loader: DataLoader[Any]) -> DataLoader[Any]:
        made = _exact_copy(loader, _Streaming)
        dataset = cast("IterableDataset[Any]", loader.dataset)
        stream = self._stream(dataset, loader.batch_size, drop_last=loader.drop_last)
        stream.ships = self.position is not None and _iterates_itself(loader)
        if loader.num_workers:
            stream.plan.share_memory_()
        vars(made).update(
            dataset=stream,
            batch_size=None,
            batch_sampler=None,
            drop_last=False,
            collate_fn=Collate(loader.collate_fn),
            reading=self._reading(stream, loader.num_workers),
        )
        return made

    def _stream(
        self, dataset: Iterable[Any], batch_size: int | None, *, drop_last: bool
    ) -> ExactStream:
        stream = ExactStream(
            dataset,
            batch_size=batch_size,
            drop_last=drop_last,
            key=(self.seed, self.part, _STREAM),
            rank=self.rank,
        )
        stream.skipped = 0 if self.position else self.skipped
        return stream

    def _reading(self, stream: ExactStream, workers: int) -> Reading:
        return Reading(stream, Passes(self.position), workers, self.notices)


def _exact_copy(loader: DataLoader[Any], mixin: type) -> DataLoader[Any]:
    made = _copy(loader, type(f"Exact{type(loader).__name__}", (mixin, type(loader)), {}))
    vars(made)["_iterator"] = None  # persistent workers have the data set that is replaced here
    if "_initial_iter_for_state_dict" in vars(made):  # torchdata's, that it has an iterator
        vars(made)["_initial_iter_for_state_dict"] = False
    return made


def _iterates_itself(loader: DataLoader[Any]) -> bool:
    """Whether no subclass looks at the batches before they are given."""
    return str(type(loader).__iter__.__module__).startswith(("torch.", "torchdata."))


class _Indexed(DataLoader[Any]):
    """Mixed into a loader whose sampler and data set are replaced."""

    exactness: _Exactness
    order: ExactOrder

    @override
    def __iter__(self) -> Any:
        passes: Passes = self.order.passes
        epoch = passes.at().epoch
        if callable(tell := getattr(self.dataset, "set_epoch", None)):
            tell(epoch)
        # The seed that each iterator draws for its workers is none of the training's.
        with drawing(self.exactness.seed, _WORKERS, epoch):
            source = super().__iter__()
        return source if _iterates_itself(self) else self._watched(source)

    def _watched(self, source: Iterator[Any]) -> Iterator[Any]:
        """A class that keeps an iterator of its own made it before anything was replaced."""
        seen = 0
        for number, batch in enumerate(source):
            if number == 0 and self.order.passes.newest is None:
                seen = self.order.passes.at().batches
                name = type(self).__bases__[1].__name__
                self.exactness.notices.differs(
                    f"the data: {name} keeps one iterator over all epochs"
                )
            if number >= seen:
                yield batch

    def state_dict(self) -> dict[str, Any]:
        drawn: Drawing = self.order.drawing
        return {
            "size": _size(self.dataset),
            "marks": drawn.marks,
            "sampler": self.order.history.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        size = _size(self.dataset)
        if size != state_dict["size"]:
            self.exactness.notices.differs(
                f"the data: {size} samples, and {state_dict['size']} before the resume"
            )
        self.order.drawing.marks = state_dict["marks"]
        self.order.history.load_state_dict(state_dict["sampler"])


class _Streaming(DataLoader[Any]):
    """Mixed into a loader whose data set is a stream, which is replaced."""

    reading: Reading

    @override
    def __iter__(self) -> Any:
        return self.reading.rest(super().__iter__)

    def state_dict(self) -> dict[str, Any]:
        return self.reading.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.reading.load_state_dict(state_dict)


class _ExactIterable(Guise):
    """Stands for whatever gives batches and is no DataLoader."""

    def __iter__(self) -> Iterator[Any]:
        rest: Iterator[Any] = self.reading.rest(lambda: iter(self.stream))
        return rest

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self.reading.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.reading.load_state_dict(state_dict)


def _size(dataset: object) -> int | None:
    try:
        return len(cast("Any", dataset))
    except (TypeError, NotImplementedError):
        return None
