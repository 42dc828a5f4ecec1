"""train.py that dies twice and leaves SageMaker an exit code; only its log has the cause.

The first attempt has saved by then, and the second has not: only the second one's cause matters.
"""

import os
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from train_original import main
from typing_extensions import override

_STEP = 45
_LAST_BROKEN_ATTEMPT = 2


class Broken(Callback):
    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == _STEP and attempt() <= _LAST_BROKEN_ATTEMPT:
            print(f"at step {trainer.global_step}", flush=True)
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered")


def attempt() -> int:
    return int(os.environ.get("RESILIENCE_ATTEMPT", "1"))


def say_no_more_than_the_exit_code() -> None:
    """Leave what the training toolkit leaves where it has seen nothing of the script's output."""
    failure = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output")) / "failure"
    failure.write_text("ExecuteUserScriptError:\nExitCode 1")


if __name__ == "__main__":
    try:
        main(extra_callbacks=[Broken()])
    except SystemExit as ended:
        if ended.code == 1:
            say_no_more_than_the_exit_code()
        raise
