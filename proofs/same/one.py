"""One process of one variant: `python one.py GROUP/NAME`."""

import sys
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.trainer import call
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers.trainer_callback import CallbackHandler

from proofs.same.table import VARIANTS
from resilient_training.check.watching import passed

_Hook = Callable[..., object]


def report_places() -> None:
    """Have the frameworks report where they are, by name: hooks, steps, events."""
    register_optimizer_step_post_hook(lambda *_: passed("optimizer_step"))
    call._call_lightning_module_hook = _reporting(call._call_lightning_module_hook)  # noqa: SLF001
    call._call_strategy_hook = _reporting(call._call_strategy_hook)  # noqa: SLF001
    handler: Any = CallbackHandler
    event = handler.call_event

    def reported(self: CallbackHandler, name: str, *rest: object, **more: object) -> object:
        passed(name)
        return event(self, name, *rest, **more)

    handler.call_event = reported


def _reporting(hook: _Hook) -> _Hook:
    def reported(trainer: object, name: str, *rest: object, **more: object) -> object:
        if name != "optimizer_step":
            passed(name)
        return hook(trainer, name, *rest, **more)

    return reported


def main(name: str) -> None:
    torch.set_num_threads(1)
    report_places()
    variant = next(one for one in VARIANTS if str(one) == name)
    variant.training()()


if __name__ == "__main__":
    main(sys.argv[1])
