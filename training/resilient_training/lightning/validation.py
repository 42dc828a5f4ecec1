"""The state before a validation, for a stop that comes in the middle of one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.call import _call_callbacks_state_dict

from resilient_training.lightning.callbacks import those
from resilient_training.lightning.carried import carried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import Trainer
    from torch import Tensor

    from resilient_training.lightning.attributes import Attributes


@dataclass(frozen=True)
class BeforeValidation:
    """What a validation changes before its end: counters, metrics, buffers, averaged weights.

    The whole validation is made again after a resume, so none of it may be in the checkpoint.
    """

    callbacks: dict[str, Any]
    carried: dict[str, Any]
    buffers: Mapping[str, Tensor]
    progress: dict[str, Any]

    @classmethod
    def of(cls, trainer: Trainer, attributes: Attributes) -> Self:
        buffers = trainer.lightning_module.named_buffers()
        return cls(
            deepcopy(_call_callbacks_state_dict(trainer)),
            carried(trainer, attributes),
            {name: one.detach().clone() for name, one in buffers},
            trainer.fit_loop.epoch_loop.val_loop.batch_progress.state_dict(),
        )

    def put_back(self, trainer: Trainer) -> None:
        """Undo the validation in the module and the loop, which nobody uses any more after it."""
        module = trainer.lightning_module
        for averaging in those(trainer, WeightAveraging):
            averaging.on_validation_epoch_end(trainer, module)
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                if name in self.buffers:
                    buffer.copy_(self.buffers[name])
        trainer.fit_loop.epoch_loop.val_loop.batch_progress.load_state_dict(self.progress)

    def put_into(self, state: dict[str, Any], key: str) -> None:
        """Have a checkpoint's state say nothing of the validation; `key` is that of `carried`."""
        state["callbacks"] = self.callbacks
        state[key] = {**state[key], **self.carried}
