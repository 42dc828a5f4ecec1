"""Where a Trainer's training goes on: what its own files do not say."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from resilient_training.huggingface.internals import LossSums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "attempt.json"


@dataclass(frozen=True)
class Place:
    """Where the loop is: `batches` of epoch `epoch` are trained on, of `in_epoch`.

    Attributes:
        epoch: As Trainer counts its passes over the data, from 0.
        within: Whether the end of the epoch is still to come.
        broken_off: The training ended before the epoch's last batch.
    """

    epoch: int = 0
    batches: int = 0
    in_epoch: int = 0
    within: bool = False
    broken_off: bool = False

    @property
    def next(self) -> tuple[int, int]:
        """The epoch to go on in, and the batches of it to skip."""
        return (self.epoch, self.batches) if self.within or self.broken_off else (self.epoch + 1, 0)


@dataclass(frozen=True)
class Continuation:
    """What a checkpoint says of Trainer's loop.

    Attributes:
        stopped: The end was decided before the last step, as by EarlyStoppingCallback.
        evaluate: The evaluation of this very step is still to be made.
        losses: Of the rows to come.
        grad_norm: For the row of an epoch, which comes behind its last step.
        learning_rate: As above.
        means: What TRL's trainers keep for the means of their next row, by its name.
        tokens: How many tokens TRL's trainers have counted.
    """

    place: Place
    stopped: bool
    evaluate: bool
    losses: LossSums
    grad_norm: float | None = None
    learning_rate: float | None = None
    means: dict[str, list[float]] = field(default_factory=dict)
    tokens: int = 0

    def text(self, memory: Mapping[str, Any]) -> bytes:
        """The content of `attempt.json`, with the memory of the attempt."""
        return json.dumps({**memory, "trainer": asdict(self)}).encode()


def read(folder: Path) -> tuple[dict[str, Any], Continuation]:
    """The memory of the attempt, and where to go on."""
    memory = json.loads((folder / FILE).read_text())
    said = memory.pop("trainer")
    place, losses = Place(**said.pop("place")), LossSums(**said.pop("losses"))
    return memory, Continuation(place=place, losses=losses, **said)


class Means(Protocol):
    """What TRL's trainers average from one row to the next, and save nowhere."""

    _metrics: dict[str, dict[str, list[float]]]
    _total_train_tokens: int


def means_of(trainer: object) -> tuple[dict[str, list[float]], int]:
    """The values since the last row by name, and the tokens so far; of TRL's trainers alone."""
    if not _has_means(trainer):
        return {}, 0
    kept = trainer._metrics["train"]  # noqa: SLF001 - as Means says
    tokens = getattr(trainer, "_total_train_tokens", 0)
    return {name: list(values) for name, values in kept.items()}, tokens


def put_means(trainer: object, saved: Continuation) -> None:
    if _has_means(trainer):
        trainer._metrics["train"] = defaultdict(list, saved.means)  # noqa: SLF001 - as above
        trainer._total_train_tokens = saved.tokens  # noqa: SLF001 - as above


def _has_means(trainer: object) -> TypeGuard[Means]:
    kept = getattr(trainer, "_metrics", None)
    return isinstance(kept, dict) and isinstance(kept.get("train"), dict)
