"""A Hugging Face training that can be brought back: saved, resumed, ended. Needs transformers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from transformers import Trainer, TrainerCallback
from typing_extensions import override

from resilient_training.checkpoints.metadata import Metric
from resilient_training.checkpoints.resume import load_error
from resilient_training.data.randomness import seed_from
from resilient_training.huggingface.packing import pack, unpack

if TYPE_CHECKING:
    from types import TracebackType

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from resilient_training.attempt import Attempt

_ATTEMPT = "attempt.json"
# Trainer's own folders are named so, and it reads nothing else of the name.
_FOLDER = "checkpoint-{step}"


@dataclass(frozen=True)
class FolderSnapshot:
    """A folder that Trainer has written."""

    folder: Path

    def write(self, file: Path) -> None:
        pack(self.folder, file)


class HuggingFaceCheckpoints(TrainerCallback):
    """Has Trainer save when the attempt's plan says so, and commits each folder as one file.

    Set `save_strategy="no"` and `report_to="none"`: this callback decides when to save, and logs
    each row once over all attempts. Dropout is a function of `args.seed` and the step. With
    `logging_nan_inf_filter=False` a loss that is logged and is not finite ends the attempt.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if args.save_only_model:
            raise ValueError("save_only_model leaves out what a training resumes from")
        # Rows that a kill took from the SDK's buffer come back out of the checkpoint.
        for row in state.log_history:
            self.attempt.log(row, int(row["step"]))

    @override
    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        seed_from(args.seed, state.global_step)

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # Behind the last step the training is done, and a stop does not make it another end.
        stopping = state.global_step < state.max_steps and self.attempt.stop.heed()
        if stopping or self.attempt.checkpoints.due(state.global_step):
            control.should_save = True
        if stopping:
            control.should_training_stop = True

    @override
    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        control.should_save = True

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        row = logs or {}
        self.attempt.log(row, state.global_step)
        if "loss" in row:
            # The newest weights that this mean was computed with are those before the last step.
            self.attempt.losses.see(state.global_step - 1, float(row["loss"]))

    @override
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        folder = Path(str(args.output_dir)) / _FOLDER.format(step=state.global_step)
        (folder / _ATTEMPT).write_text(json.dumps(self.attempt.job.attempt))
        self.attempt.checkpoints.save(
            state.global_step,
            int(state.epoch or 0),
            lambda: FolderSnapshot(folder),
            _metric(state, self.attempt.checkpoints.plan.monitor or "eval_loss"),
        )


def train(trainer: Trainer, attempt: Attempt) -> None:
    """`trainer.train()` from the checkpoint to resume from, if there is one.

    Raises:
        CheckpointLoadError: it cannot be fetched, unpacked, or does not fit the trainer.
        LossDiverged: a logged loss is no healthy one.
        Terminated: SIGTERM came; the state is saved, and committed if there was time.
        StoppedByUser: a person stopped the run in W&B; as above.
    """
    with TemporaryDirectory() as folder:
        step = attempt.resume_file(lambda path: unpack(path, Path(folder)))
        with _Restoring(attempt):
            trainer.train(resume_from_checkpoint=None if step is None else folder)
    if attempt.stop.heeded:
        attempt.end_if_asked(trainer.state.global_step)
    attempt.stop.training_is_over()


@dataclass(frozen=True)
class _Restoring:
    """Tells an error in restoring from an error in training, by the place that it comes from."""

    attempt: Attempt

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        point = self.attempt.resumed_from
        if point is not None and isinstance(error, Exception) and _in_loading(trace):
            raise load_error(point.version, error) from error


def _in_loading(trace: TracebackType | None) -> bool:
    while trace is not None:
        code = trace.tb_frame.f_code
        if Path(code.co_filename).name == "trainer.py" and code.co_name.startswith("_load_"):
            return True
        trace = trace.tb_next
    return False


def _metric(state: TrainerState, name: str) -> Metric | None:
    """The monitored metric, where it was measured at this very step."""
    rows = [row for row in state.log_history if row.get("step") == state.global_step]
    return next((Metric(name, float(row[name])) for row in rows if name in row), None)
