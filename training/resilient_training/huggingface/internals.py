"""What a resume needs of Trainer beyond its public part, looked for at the start."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transformers import Trainer

SAVING = (
    "_save_checkpoint",
    "save_model",
    "_save",
    "_save_optimizer_and_scheduler",
    "_save_rng_state",
    "_save_scaler",
)
_METHODS = (
    *SAVING,
    "_evaluate",
    "_init_training_state",
    "_load_best_model",
    "_maybe_log_save_evaluate",
    "_run_epoch",
)


class UnknownTrainerError(Exception):
    """This version of transformers has another Trainer than the one that is known here."""


def require_known(trainer: Trainer) -> None:
    """Look for all that is needed, before the first step.

    Raises:
        UnknownTrainerError: something is not there.
    """
    missing = [name for name in _METHODS if not callable(getattr(trainer, name, None))]
    if missing:
        raise _unknown(missing)


def _unknown(missing: list[str]) -> UnknownTrainerError:
    found = version("transformers")
    return UnknownTrainerError(
        f"the Trainer of transformers {found} has no {' '.join(missing)}: use transformers 5.23"
    )


@contextmanager
def wrapped(trainer: Trainer, name: str, around: Callable[..., object]) -> Iterator[None]:
    """Have `around(original, *arguments)` called instead of one method of this trainer."""
    original = getattr(trainer, name)
    own = vars(trainer).get(name)

    def call(*args: object, **named: object) -> object:
        return around(original, *args, **named)

    setattr(trainer, name, call)
    try:
        yield
    finally:
        delattr(trainer, name)
        if own is not None:
            setattr(trainer, name, own)


def arguments_of(
    method: Callable[..., object], args: tuple[object, ...], named: Mapping[str, object]
) -> dict[str, Any]:
    """The arguments of a call, by name."""
    return dict(inspect.signature(method).bind(*args, **named).arguments)


@dataclass(frozen=True)
class LossSums:
    """What Trainer keeps of the losses between two of its rows, and for the last row of all.

    Attributes:
        since_row: The sum of the losses since step `row`.
        before: The sum of the losses up to there.
        row: The step of the newest row with a loss.
    """

    since_row: float
    before: float
    row: int

    @classmethod
    def of(cls, trainer: Trainer) -> LossSums:
        try:
            return cls(
                trainer._tr_loss.item(),  # noqa: SLF001 - Trainer forgets it at a resume
                trainer._total_loss_scalar,  # noqa: SLF001 - as above
                trainer._globalstep_last_logged,  # noqa: SLF001 - as above
            )
        except AttributeError as error:
            raise _unknown([error.name or "loss"]) from error

    def put_into(self, trainer: Trainer) -> None:
        """Have the next row be of all steps since the last one, and the last row of all steps."""
        trainer._tr_loss += self.since_row  # noqa: SLF001 - as above; it is zero, on the device
        trainer._total_loss_scalar = self.before  # noqa: SLF001 - as above
        trainer._globalstep_last_logged = self.row  # noqa: SLF001 - as above
        trainer._initial_global_step = 0  # noqa: SLF001 - the divisor of that sum
