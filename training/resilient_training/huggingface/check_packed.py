"""Whether a packed checkpoint can be resumed from: each of its files read as Trainer reads it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 - an error

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer_pt_utils import safe_globals

from resilient_training.huggingface.beside import folder_beside
from resilient_training.huggingface.packing import UnsafeArchiveError, unpack

_NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt")
# A file that is damaged, or holds what weights_only refuses, fails in its reader's own way.
_UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, SafetensorError)


class UnusableCheckpointError(Exception):
    """A packed checkpoint cannot be resumed from; the message names the file in it."""


def check_packed(file: Path) -> None:
    """Unpack and read all of it; the weights by their headers.

    Raises:
        UnsafeArchiveError: a member is none that is packed.
        UnusableCheckpointError: a file is missing, or Trainer could not load it.
    """
    with folder_beside(file) as folder:
        unpack(file, folder)
        missing = [needed for needed in _NEEDED if not (folder / needed).is_file()]
        weights = [*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")]
        weights += [*folder.glob("*model*.bin"), *folder.glob("*/*model*.bin")]
        if missing or not weights:
            raise UnusableCheckpointError(
                f"{' '.join(missing) or 'weights'}: not in the checkpoint"
            )
        for path in [
            *weights,
            *folder.glob("*.pt"),
            *folder.glob("*.pth"),
            *folder.rglob("*.json"),
        ]:
            _read(path, folder)


def _read(path: Path, folder: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as opened:
                opened.keys()
        elif path.suffix == ".json":
            json.loads(path.read_text())
        else:
            _load(path)
    except _UNREADABLE as error:
        name = path.relative_to(folder)
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnusableCheckpointError(f"{name}: {why}") from error


def _load(path: Path) -> None:
    if path.suffix == ".pth":  # the state of numpy's and Python's generators
        with safe_globals():  # type: ignore[no-untyped-call]  # of transformers
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    else:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def refusal(file: str) -> str | None:
    """Why no resume would load the file; None: it would."""
    try:
        check_packed(Path(file))
    except (UnsafeArchiveError, UnusableCheckpointError, tarfile.TarError) as error:
        return str(error)
    return None
