"""An example of `training/examples` as a process of its own."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from tests.local.training_process import Training, running

TRAINING = Path(__file__).parents[2] / "training"


@contextmanager
def example(
    script: str, folder: Path, environment: Mapping[str, str], *options: str
) -> Iterator[Training]:
    """Start it in `folder`; whatever happens, it has ended after the block."""
    folder.mkdir(exist_ok=True)
    command = [str(TRAINING / "examples" / script), *options]
    with running(command, folder / "log.txt", {"PYTHONPATH": str(TRAINING), **environment}) as made:
        yield made


def weights_in(file: Path) -> str:
    """The sha256 over all weights by name, whatever file format holds them."""
    digest = hashlib.sha256()
    for name, values in sorted(torch.load(file, weights_only=True).items()):
        digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()
