"""The training's loaders made exact, at the place where Lightning hands each to its strategy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from resilient_training.data.loaders import exact

if TYPE_CHECKING:
    from types import TracebackType

    from lightning.pytorch import Trainer

    from resilient_training.lightning.loops import ExactFitLoop
    from resilient_training.notices import Notices


@dataclass(frozen=True)
class ExactData:
    """How the loaders are made exact: `seed` is that of the order of the data."""

    seed: int
    notices: Notices

    def of(self, loop: ExactFitLoop) -> _Exactly:
        """In this block the loaders that `loop` sets up are made exact."""
        return _Exactly(self, loop.trainer, loop)


@dataclass(frozen=True)
class _Exactly:
    how: ExactData
    trainer: Trainer
    loop: ExactFitLoop

    def __enter__(self) -> None:
        strategy, parts = self.trainer.strategy, count()
        theirs = strategy.process_dataloader

        def process_dataloader(loader: object) -> Any:  # noqa: ANN401 - the strategy's own
            ours = exact(
                loader,
                seed=self.how.seed,
                position=lambda: self.loop.position,
                rank=self.trainer.global_rank,
                part=next(parts),
                notices=self.how.notices,
            )
            return theirs(ours)

        # It comes behind the sampler that Lightning puts in for several processes.
        vars(strategy)["process_dataloader"] = process_dataloader

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del vars(self.trainer.strategy)["process_dataloader"]
