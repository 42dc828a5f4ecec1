"""Commit checkpoints by the real SDK: `commit_checkpoints PROJECT RUN COUNT`."""

import sys
import tempfile
from pathlib import Path

import wandb

STEPS_BETWEEN = 100


def main(project: str, run_id: str, count: int) -> None:
    folder = tempfile.mkdtemp()
    with wandb.init(project=project, id=run_id, dir=folder) as run:
        for number in range(count):
            file = Path(folder) / "model.ckpt"
            file.write_bytes(f"checkpoint {number}".encode())
            step = (number + 1) * STEPS_BETWEEN
            artifact = wandb.Artifact(
                f"model-{run.id}", type="model", metadata={"step": step, "epoch": number}
            )
            artifact.add_file(str(file))
            run.log_artifact(artifact).wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
