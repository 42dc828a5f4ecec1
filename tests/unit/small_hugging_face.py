"""A Hugging Face training of less than a second, in this process, that can be killed anywhere."""

import hashlib
import io
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from resilient_training import Checkpointer, ResumePoint, SavePlan, StopRequest
from resilient_training.attempt import Attempt
from resilient_training.ending import Ending, Terminated
from resilient_training.healthy_loss import HealthyLoss, LossHistory
from resilient_training.job import job_from
from resilient_training.notices import Notices
from tests.unit.small_training import Killed, Store

SEED, BATCH, SIZE, EPOCHS, LENGTH = 7, 4, 26, 3, 8
PER_EPOCH = 7
TOKENS = torch.randint(0, 32, (SIZE, LENGTH), generator=torch.Generator().manual_seed(0))
# Of a clock; no two runs have the same.
_TIMES = ("runtime", "per_second")


class Sentences(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": TOKENS[index], "labels": TOKENS[index]}


@dataclass
class Rows:
    """What W&B has of a run's history, over all attempts."""

    by_step: dict[int, dict[str, Any]] = field(default_factory=dict)
    newest: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        self.newest.append((step, dict(metrics)))
        self.by_step.setdefault(step, {}).update(metrics)

    def newest_rows(self) -> list[tuple[int, dict[str, Any]]]:
        return list(self.newest)

    def restore(self, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        for step, metrics in rows:
            self.log(metrics, step)


@dataclass
class Run:
    """A W&B run that stores nothing."""

    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class ResumingAttempt(Attempt):
    """Finds its checkpoint in the fake store."""

    def find(
        self,
        folder: Path,
        environment: MutableMapping[str, str],
        try_load: Callable[[Path], object] = lambda _: None,
    ) -> ResumePoint | None:
        del folder, environment, try_load
        assert isinstance(self.checkpoints.store, Store)
        made = self.checkpoints.store.committed
        self.resumed_from = ResumePoint("v0", made[-1].path, made[-1].step) if made else None
        return self.resumed_from


@dataclass
class At(TrainerCallback):
    """Does something at one event of one step."""

    event: str
    step: int
    do: Callable[[], object]
    done: bool = False

    def __post_init__(self) -> None:
        setattr(self, self.event, self._look)

    def _look(self, _args: object, state: Any, _control: object, **_: object) -> None:  # noqa: ANN401
        if state.global_step == self.step and not self.done:
            self.done = True
            self.do()


@dataclass
class SaveAtOnce(TrainerCallback):
    """Has each save done before the next step, so that no scheduled one is put off."""

    checkpoints: Checkpointer

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.checkpoints.settle()


def kill() -> None:
    raise Killed


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Scene:
    """A lineage of attempts: what they share, and how each is made."""

    folder: Path
    every_n_steps: int = 3
    monitor: str | None = None
    store: Store = field(default_factory=Store)
    rows: Rows = field(default_factory=Rows)
    arguments: dict[str, Any] = field(default_factory=dict)
    trainer_options: Callable[[], dict[str, Any]] = dict
    kind: type[Trainer] = Trainer
    model: Callable[[], torch.nn.Module] | None = None
    attempts: int = 0

    def attempt(self) -> ResumingAttempt:
        plan = SavePlan(
            self.folder / "checkpoints", every_n_steps=self.every_n_steps, monitor=self.monitor
        )
        checkpoints = Checkpointer(plan, self.store)
        losses = LossHistory(HealthyLoss(), checkpoints.bar_after)
        stop = StopRequest(Ending(self.folder / "failure"))
        run: Any = Run()
        rows: Any = Rows(self.rows.by_step)
        job = job_from({})
        return ResumingAttempt(job, run, checkpoints, losses, stop, rows, Notices(run))

    def trainer(self, *breaking: TrainerCallback) -> Trainer:
        # A machine of its own for each attempt.
        self.attempts += 1
        output = tempfile.mkdtemp(dir=self.folder, prefix=f"machine-{self.attempts}-")
        set_seed(SEED)
        model = (self.model or small_model)()
        if self.attempts > 1:
            set_seed(1000)  # a resumed process has another random state
        options = {
            "num_train_epochs": EPOCHS,
            "per_device_train_batch_size": BATCH,
            "learning_rate": 0.01,
            "seed": SEED,
            "save_strategy": "no",
            "logging_steps": 1,
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
            **self.arguments,
        }
        made = self.trainer_options()
        callbacks = [*made.pop("callbacks", []), *breaking]
        return self.kind(
            model,
            TrainingArguments(output, **options),
            callbacks=callbacks,
            **{"train_dataset": Sentences(), **made},
        )

    def run(self, *breaking: TrainerCallback) -> Trainer:
        """One attempt; raises what ends it."""
        attempt = self.attempt()
        trainer = self.trainer(*breaking, SaveAtOnce(attempt.checkpoints))
        before = signal.getsignal(signal.SIGTERM)
        attempt.stop.listen()
        try:
            attempt.train(trainer)
        finally:
            attempt.checkpoints.drain()
            signal.signal(signal.SIGTERM, before)
        return trainer

    def broken(self, *breaking: TrainerCallback) -> None:
        """One attempt that is killed, or ended by SIGTERM."""
        try:
            self.run(*breaking)
        except (Killed, Terminated):
            return
        raise AssertionError("it came to its end")


def small_model() -> torch.nn.Module:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    )


def result_of(trainer: Trainer) -> dict[str, Any]:
    """All that a training leaves, but for times."""
    made: Any = trainer
    return {
        "weights": _digest(made.model.state_dict()),
        "optimizer": _digest(made.optimizer.state_dict()),
        "schedule": made.lr_scheduler.state_dict(),
        "rows": [timeless(row) for row in trainer.state.log_history],
        "step": trainer.state.global_step,
        "best": trainer.state.best_global_step,
    }


def timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.endswith(_TIMES)}


def logged(scene: Scene) -> dict[int, dict[str, Any]]:
    return {step: timeless(row) for step, row in scene.rows.by_step.items()}


def _digest(state: object) -> str:
    content = io.BytesIO()
    torch.save(state, content)
    return hashlib.sha256(content.getvalue()).hexdigest()
