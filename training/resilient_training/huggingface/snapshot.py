"""What a Trainer's checkpoint holds, taken at one moment and written beside the training."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from transformers.trainer_callback import ExportableState

from resilient_training.huggingface.check_packed import check_packed
from resilient_training.huggingface.packing import known, pack_files
from resilient_training.huggingface.weights import (
    weights_of,
    with_aliases,
    without_aliases,
    write_weights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import Trainer, TrainerState

    from resilient_training.huggingface.buffers import Buffers

_STATE = "trainer_state.json"


def state_of(trainer: Trainer, *, rows: int | None = None) -> TrainerState:
    """Trainer's own state as a save of its own would have it, with the first `rows` of its rows.

    It names no folder of this machine.
    """
    trainer.store_flos()
    made = [*trainer.callback_handler.callbacks, trainer.control]
    return replace(
        trainer.state,
        log_history=trainer.state.log_history[:rows],
        best_model_checkpoint=None,
        stateful_callbacks=[one for one in made if isinstance(one, ExportableState)],
    )


@dataclass(frozen=True)
class StagedSnapshot:
    """Copies of the tensors, and the small files as they were."""

    trainer: Trainer
    weights: dict[str, Any]
    optimizer: dict[str, Any]
    state: TrainerState
    small: Mapping[str, bytes]

    def write(self, file: Path) -> None:
        with TemporaryDirectory(dir=file.parent, prefix="unfinished-") as name:
            folder = Path(name)
            write_weights(self.trainer, self.weights, folder)
            torch.save(self.optimizer, folder / "optimizer.pt")
            self.state.save_to_json(str(folder / _STATE))
            for file_name, content in self.small.items():
                (folder / file_name).write_bytes(content)
            with ExitStack() as opened:
                files = {at: opened.enter_context(path.open("rb")) for at, path in known(folder)}
                pack_files(files, file)

    def check(self, file: Path) -> None:
        check_packed(file)


@dataclass(frozen=True)
class FolderSnapshot:
    """A folder that Trainer has written itself, held open: it may delete it at its next save."""

    files: Mapping[str, BinaryIO]
    state: TrainerState
    small: Mapping[str, bytes]

    def write(self, file: Path) -> None:
        with ExitStack() as opened, TemporaryDirectory() as folder:
            for one in self.files.values():
                opened.callback(one.close)
            path = Path(folder) / _STATE
            self.state.save_to_json(str(path))
            pack_files({**self.files, **self.small, _STATE: path.read_bytes()}, file)

    def check(self, file: Path) -> None:
        check_packed(file)


def hold(folder: Path, state: TrainerState, small: Mapping[str, bytes]) -> FolderSnapshot:
    """Open the files of a folder that Trainer has written."""
    return FolderSnapshot({name: path.open("rb") for name, path in known(folder)}, state, small)


def stage(
    trainer: Trainer, buffers: Buffers, state: TrainerState, small: Mapping[str, bytes]
) -> StagedSnapshot:
    """Copy the weights and the optimizer's state."""
    weights = weights_of(trainer.model)
    if weights is None:
        raise ValueError("the library of this model saves something else than its weights")
    unique, aliases = without_aliases(weights)
    staged = buffers.stage({"model": unique, "optimizer": trainer.optimizer.state_dict()})
    model = with_aliases(staged["model"], aliases)
    return StagedSnapshot(trainer, model, staged["optimizer"], state, small)


def generators_and_schedule(trainer: Trainer) -> dict[str, bytes]:
    """The small files of the step that Trainer resumes from."""
    schedule = io.BytesIO()
    torch.save(trainer.lr_scheduler.state_dict(), schedule)
    with TemporaryDirectory() as name:
        trainer._save_rng_state(name)  # noqa: SLF001 - it knows the generator of each device
        trainer._save_scaler(name)  # noqa: SLF001 - it knows whether there is a scaler
        files = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return {**files, "scheduler.pt": schedule.getvalue()}


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
