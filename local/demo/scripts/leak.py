"""train.py that leaks: each process of it runs out of memory after so many steps of its own."""

from itertools import count

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from train_original import main
from typing_extensions import override

_STEPS_UNTIL_FULL = 45


class Leak(Callback):
    def __init__(self) -> None:
        # No plain value: a resume would bring that back, and memory is what a new process has.
        self._steps = count(1)

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        if next(self._steps) == _STEPS_UNTIL_FULL:
            print(f"at step {trainer.global_step}", flush=True)
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"
                " 22.06 GiB of which 1.10 GiB is free."
            )


if __name__ == "__main__":
    main(extra_callbacks=[Leak()])
