"""What a Trainer's checkpoint holds, taken at one moment and written beside the training."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import torch
from transformers.trainer_callback import ExportableState
from typing_extensions import override

from resilient_training.checkpoints.snapshot import Snapshot
from resilient_training.huggingface import check_packed
from resilient_training.huggingface.beside import folder_beside
from resilient_training.huggingface.packing import known, pack, pack_files
from resilient_training.huggingface.weights import weights_of, write_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import Trainer, TrainerState

    from resilient_training.checkpoints.files import HashedFile
    from resilient_training.checkpoints.snapshot import StateSnapshot

LOADER = "loader.pt"
_STATE = "trainer_state.json"
_WEIGHTS = "weights"
_OPTIMIZER = "optimizer.pt"


def state_of(trainer: Trainer) -> TrainerState:
    """Trainer's state as a save of its own would have it, but for folders of this machine."""
    trainer.store_flos()
    made = [*trainer.callback_handler.callbacks, trainer.control]
    # TrainerState takes those that can be saved, and holds what they give.
    exportable: Any = [one for one in made if isinstance(one, ExportableState)]
    return replace(
        trainer.state,
        log_history=list(trainer.state.log_history),
        best_model_checkpoint=None,
        stateful_callbacks=exportable,
    )


@dataclass(frozen=True)
class StagedSnapshot(Snapshot):
    """Copies of the tensors in the attempt's buffers, and the small files as they were."""

    trainer: Trainer
    tensors: StateSnapshot
    state: TrainerState
    small: Mapping[str, bytes]

    @property
    @override
    def size(self) -> int:
        """Of the folder and, when that is packed, the file."""
        return 2 * self.tensors.size

    @override
    def write(self, file: HashedFile) -> None:
        with folder_beside(file.path) as folder:
            write_weights(self.trainer, self.tensors.state[_WEIGHTS], folder)
            torch.save(self.tensors.state[_OPTIMIZER], folder / _OPTIMIZER)
            self.state.save_to_json(str(folder / _STATE))
            for file_name, content in self.small.items():
                (folder / file_name).write_bytes(content)
            pack(folder, file)

    @override
    def structure(self) -> frozenset[str]:
        return self.tensors.structure() | frozenset(self.small)

    @property
    @override
    def reader(self) -> str:
        return check_packed.__name__

    @override
    def release(self) -> None:
        self.tensors.release()


@dataclass(frozen=True)
class FolderSnapshot(Snapshot):
    """A folder that Trainer has written itself, held open: it may delete it at its next save."""

    files: Mapping[str, BinaryIO]
    state: TrainerState
    small: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path, state: TrainerState, small: Mapping[str, bytes]) -> Self:
        return cls({name: path.open("rb") for name, path in known(folder)}, state, small)

    @property
    @override
    def size(self) -> int:
        return sum(os.fstat(file.fileno()).st_size for file in self.files.values())

    @override
    def write(self, file: HashedFile) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / _STATE
            self.state.save_to_json(str(path))
            pack_files({**self.files, **self.small, _STATE: path.read_bytes()}, file)

    @override
    def structure(self) -> frozenset[str]:
        return frozenset(self.files)

    @property
    @override
    def reader(self) -> str:
        return check_packed.__name__

    @override
    def release(self) -> None:
        for file in self.files.values():
            file.close()


def schedule_of(trainer: Trainer) -> dict[str, Any]:
    scheduler: Any = trainer.lr_scheduler  # made when the training begins
    state: dict[str, Any] = scheduler.state_dict()
    return state


def tensors_of(trainer: Trainer) -> dict[str, Any]:
    """What is copied at a save."""
    optimizer: Any = trainer.optimizer  # made when the training begins
    return {_WEIGHTS: weights_of(trainer.model), _OPTIMIZER: optimizer.state_dict()}


def generators_and_schedule(trainer: Trainer) -> dict[str, bytes]:
    """The small files of the step that Trainer resumes from."""
    with TemporaryDirectory() as name:
        trainer._save_rng_state(name)  # noqa: SLF001 - it knows the generator of each device
        trainer._save_scaler(name)  # noqa: SLF001 - it knows whether there is a scaler
        files = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return {**files, "scheduler.pt": saved(schedule_of(trainer))}


def saved(state: object) -> bytes:
    """As torch writes it."""
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def descriptions(trainer: Trainer) -> dict[str, bytes]:
    """The files of the tokenizer, which a training does not change.

    Written once: its own lock would have a thread that writes it break the one that uses it.
    """
    tokenizer = trainer.processing_class or getattr(trainer.data_collator, "tokenizer", None)
    if tokenizer is None:
        return {}
    with TemporaryDirectory() as name:
        tokenizer.save_pretrained(name)
        return {at: path.read_bytes() for at, path in known(Path(name))}
