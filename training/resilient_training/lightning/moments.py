"""The three moments of a Lightning training at which its state is whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


class Moment(StrEnum):
    """What of a step is done.

    In a hook none of it is: the hooks of callbacks run before the module's own.
    """

    BATCH = "batch"
    """The batch with all of its hooks and its row; not its validation, nor what is fed by one."""

    STEP = "step"
    """All of the step. In an epoch's last step its end is to come."""

    EPOCH = "epoch"
    """All of the epoch: its hooks, its rows, its schedulers."""


@dataclass(frozen=True)
class Resumed:
    """Where a training goes on.

    Attributes:
        moment: What is done.
        validates: Whether a validation is what comes next; only for `Moment.BATCH`.
        should_stop: Whether the end of the training was decided, for instance by EarlyStopping.
    """

    moment: Moment
    validates: bool
    should_stop: bool


class Watch(Protocol):
    """Who is called at the moments, in every process; may save, and may raise to end there."""

    def training_begins(self) -> Resumed | None:
        """The loop starts; gives where a checkpoint has it go on."""

    def restore(self, trainer: Trainer) -> None:
        """The hooks of the start are through: put back what Lightning's own checkpoint lacks."""

    def batch_made(self, trainer: Trainer, *, validates: bool) -> None:
        """`Moment.BATCH`; a validation follows if `validates`."""

    def step_made(self, trainer: Trainer, *, validated: bool) -> None:
        """`Moment.STEP`; a validation was part of it if `validated`."""

    def epoch_made(self, trainer: Trainer) -> None:
        """`Moment.EPOCH`."""
