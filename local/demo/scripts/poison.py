"""train.py whose first attempt commits a checkpoint that nobody can load, as a torn write does."""

import hashlib
import os
import secrets
import tempfile
import time
from pathlib import Path

import wandb
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from train_original import main
from typing_extensions import override

from resilient_training import CheckpointArtifacts
from resilient_training.lightning.callbacks import those

_STEP = 45
_HANG_SECONDS = 60  # the GPU hangs; its fault comes in the meantime


class Poison(Callback):
    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == _STEP and "RESILIENCE_ATTEMPT" not in os.environ:
            # The newest of several: what was saved before is committed before.
            for callback in those(trainer, CheckpointArtifacts):
                callback.checkpointer.drain()
            commit_garbage(trainer)
            time.sleep(_HANG_SECONDS)


def commit_garbage(trainer: Trainer) -> None:
    """Commit what passes every digest, and is no checkpoint."""
    run = wandb.run
    if run is None:
        raise RuntimeError("poison needs a W&B run")
    garbage = secrets.token_bytes(4096)
    file = Path(tempfile.mkdtemp()) / "model.ckpt"
    file.write_bytes(garbage)
    artifact = wandb.Artifact(
        f"model-{run.id}",
        type="model",
        metadata={
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "attempt": 1,
            "sha256": hashlib.sha256(garbage).hexdigest(),
        },
    )
    artifact.add_file(str(file))
    committed = run.log_artifact(artifact).wait()
    print(f"checkpoint {committed.version} of step {trainer.global_step} is poisonous", flush=True)


if __name__ == "__main__":
    main(extra_callbacks=[Poison()])
