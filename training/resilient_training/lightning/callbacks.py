"""The callbacks of a trainer, of which Lightning publishes no type."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

Kind = TypeVar("Kind", bound=Callback)


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """The trainer's own list, to be changed in place."""
    found: list[Callback] = vars(trainer)["callbacks"]
    return found


def those(trainer: Trainer, kind: type[Kind]) -> list[Kind]:
    """The callbacks of one class."""
    return [one for one in callbacks_of(trainer) if isinstance(one, kind)]
