"""train.py with a bug: it raises at the same step each time."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from train_original import main
from typing_extensions import override

_STEP = 45


class Bug(Callback):
    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == _STEP:
            print(f"at step {trainer.global_step}", flush=True)
            raise ValueError("shapes do not match: (64, 10) and (63, 10)")


if __name__ == "__main__":
    main(extra_callbacks=[Bug()])
