"""An example of `training/examples` as a process of its own."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from tests.local.training_process import Training, own_environment

TRAINING = Path(__file__).parents[2] / "training"


@contextmanager
def example(
    script: str, folder: Path, environment: Mapping[str, str], *options: str
) -> Iterator[Training]:
    """Start it in `folder`; whatever happens, it has ended after the block."""
    folder.mkdir(exist_ok=True)
    log_file = folder / "log.txt"
    command = [sys.executable, str(TRAINING / "examples" / script), *options]
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**own_environment(), "PYTHONPATH": str(TRAINING), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        started = Training(process, log_file)
        try:
            yield started
        finally:
            if process.poll() is None:
                started.kill()


def weights_in(file: Path) -> str:
    """The sha256 over all weights by name, whatever file format holds them."""
    digest = hashlib.sha256()
    for name, values in sorted(torch.load(file, weights_only=True).items()):
        digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()
