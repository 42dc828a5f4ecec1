"""Gradients that are still being accumulated: by the Trainer, or by whatever means of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import Trainer
    from torch import Tensor
    from torch.optim import Optimizer


class Gradients:
    """Knows which optimizers stepped in the batch that was made last.

    An optimizer that did not, and has gradients that are not zero, waits for more of them: a
    checkpoint made now would have to hold them too.
    """

    def __init__(self) -> None:
        self._stepped_in: dict[int, int] = {}

    def watch(self, trainer: Trainer) -> None:
        for number, optimizer in enumerate(trainer.optimizers):
            optimizer.register_step_post_hook(self._note(trainer, number))

    def _note(self, trainer: Trainer, number: int) -> Any:  # noqa: ANN401 - a hook of torch
        def note(*_: object) -> None:
            self._stepped_in[number] = _batch(trainer)

        return note

    def pending(self, trainer: Trainer) -> bool:
        """Whether there are such gradients. Looks at them only where an optimizer waits."""
        return any(
            self._stepped_in.get(number) != _batch(trainer) and _has_gradients(optimizer)
            for number, optimizer in enumerate(trainer.optimizers)
        )


def can_carry(trainer: Trainer) -> bool:
    """Whether one process has all of each gradient, and the same as the others."""
    strategy = trainer.strategy
    alone = isinstance(strategy, SingleDeviceStrategy) or trainer.world_size == 1
    return alone or (isinstance(strategy, DDPStrategy) and trainer.accumulate_grad_batches == 1)


def gradients_of(trainer: Trainer) -> dict[str, Tensor]:
    """All gradients by the parameters' names."""
    parameters = trainer.lightning_module.named_parameters()
    return {name: one.grad.detach().clone() for name, one in parameters if one.grad is not None}


def restore_gradients(trainer: Trainer, saved: Mapping[str, Tensor]) -> None:
    for name, parameter in trainer.lightning_module.named_parameters():
        if name in saved:
            parameter.grad = saved[name].to(parameter.device)


def _batch(trainer: Trainer) -> int:
    return trainer.fit_loop.epoch_loop.batch_progress.total.ready


def _has_gradients(optimizer: Optimizer) -> bool:
    parameters = (one for group in optimizer.param_groups for one in group["params"])
    return any(one.grad is not None and bool(one.grad.any()) for one in parameters)
