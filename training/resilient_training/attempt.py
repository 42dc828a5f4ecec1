"""One attempt of a training that no framework drives: a plain loop, or somebody else's trainer."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import torch
import wandb
from torch.utils.data.dataloader import _BaseDataLoaderIter

from resilient_training.blocks import claim_run
from resilient_training.check.watching import watch_in
from resilient_training.checkpoints.artifacts import RunCheckpoints
from resilient_training.checkpoints.checkpointer import Checkpointer, SavePlan
from resilient_training.checkpoints.loadable import NotLoadableError
from resilient_training.checkpoints.resume import ResumePoint, loads, resume_point
from resilient_training.checkpoints.trial import Trial
from resilient_training.checkpoints.versions import Loading
from resilient_training.ending import Ending, StoppedByUser, Terminated
from resilient_training.environment import prepare_environment
from resilient_training.healthy_loss import HealthyLoss, LossHistory
from resilient_training.history import History
from resilient_training.job import Job, folder_from, job_from
from resilient_training.notices import Notices
from resilient_training.ranks import hand_over, handed_over, is_follower
from resilient_training.stop_request import StopRequest, run_settings
from resilient_training.tags import JobMarks, NoTags, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping
    from types import TracebackType

    from lightning.pytorch import LightningModule
    from lightning.pytorch import Trainer as LightningTrainer
    from transformers import Trainer as HuggingFaceTrainer

    from resilient_training.check.store import FolderStore
    from resilient_training.check.watching import Watch
    from resilient_training.checkpoints.metadata import Metric
    from resilient_training.checkpoints.resume import Checkpoints, TryLoad

_log = logging.getLogger(__name__)

_ANY_FINITE = HealthyLoss()
# Seconds for the checkpoints that are on their way when a training fails.
_FAILED_BUDGET = 60.0


class Stateful(Protocol):
    """A module, an optimizer, a scheduler, a GradScaler."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state, as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Take such a state."""


@dataclass
class Attempt:
    """What a training has to say to the one that brings it back. Made by `resilient`."""

    job: Job
    run: wandb.Run
    checkpoints: Checkpointer
    losses: LossHistory
    stop: StopRequest
    history: History
    notices: Notices
    seed: int | None = None
    parts: Mapping[str, Stateful] = field(default_factory=dict)
    resumed_from: ResumePoint | None = None

    def data_seed(self, seed: int) -> int:
        """The seed for the order of the data: `seed`, unless another order is asked for."""
        return seed + self.job.data_seed_offset

    def resume(self, **parts: Stateful) -> int:
        """Restore what `after_step` saved last; gives its step, 0 at the beginning.

        Args:
            parts: All that the next step depends on, each by a name that stays: the model, the
                optimizer, its scheduler. `after_step` saves the same.

        Raises:
            CheckpointLoadError: the checkpoint cannot be fetched, is not the one that was pinned,
                holds more than tensors and plain values, or does not fit the parts.
        """

        def load(path: Path) -> int:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
            self.recall(saved)
            return int(saved["step"])

        self.parts = parts
        return self.resume_file(load, loads) or 0

    def resume_file(
        self, load: Callable[[Path], int], try_load: TryLoad = lambda _: None
    ) -> int | None:
        """As `resume`, for a file of one's own format; `load` gives the step that it is of.

        `try_load` raises where a file cannot be loaded, and changes nothing of the training.
        """
        with tempfile.TemporaryDirectory() as folder:
            point = self.find(Path(folder), os.environ, try_load)
            step = None
            if point is not None:
                _log.info("resuming from %s at step %s", point.version, point.step)
                with Loading(point.version):
                    step = load(point.path)
        self.begin(step or 0)
        return step

    def find(
        self,
        folder: Path,
        environment: MutableMapping[str, str],
        try_load: TryLoad = lambda _: None,
    ) -> ResumePoint | None:
        """Fetch the checkpoint to resume from into `folder`; None: start from the beginning.

        Without a pin, one that `try_load` raises for is walked back from.

        Raises:
            CheckpointLoadError: it is missing, damaged, or not the one that was pinned.
        """
        if is_follower(environment):
            point = handed_over(environment)
        else:
            store = cast("Checkpoints", self.checkpoints.store)
            point = resume_point(self.job, store, folder, try_load)
            hand_over(point, environment)
        self.resumed_from = point
        return point

    def begin(self, step: int = 0) -> None:
        """Train from `step` on; from now on a stop has something to save.

        Raises:
            StoppedByUser: a person's stop came first.
        """
        self.checkpoints.begin(step)
        self.losses.begin(step)
        self.stop.begin()

    def after_step(
        self,
        step: int,
        epoch: int,
        *,
        epoch_ends: bool = False,
        loss: float | None = None,
        metric: Metric | None = None,
    ) -> None:
        """Save if it is time to; to be called when optimizer step number `step` is made.

        Args:
            step: Optimizer steps made so far, over all attempts: 1 after the first.
            epoch: The epoch that the step was part of, from 0.
            epoch_ends: Whether it was the epoch's last, which is always saved.
            loss: Of the step; computed with the weights as they were before it.
            metric: Measured on this very state; decides which checkpoint is `best`.

        Raises:
            LossDiverged: the loss is no healthy one; the checkpoints since are marked as suspect.
            Terminated: SIGTERM came; the state is saved, and committed if there was time.
            StoppedByUser: a person stopped the run in W&B; as above.
            NotLoadableError: the parts hold what no resume could load; known after the first step.
            DiskFullError: not one checkpoint could be saved yet.
        """

        def state() -> dict[str, Any]:
            parts = {name: part.state_dict() for name, part in self.parts.items()}
            return {"parts": parts, "step": step, **self.memory()}

        if not self.checkpoints.inspected:
            self.checkpoints.inspect(state())
            if _reads_unknown_loader(self.parts):
                self.notices.differs(
                    "a DataLoader is read, and no part of resume() says how far: give it"
                    " data=ResumableLoader(loader, seed=…), unless the loop finds its place itself"
                )

        if loss is not None:
            self.losses.see(step - 1, loss)
        # Read once: a stop that comes during a save waits for the next step, which saves for it.
        asked = self.stop.heed()
        if epoch_ends or asked or self.checkpoints.due(step):
            self.checkpoints.save(step, epoch, lambda: self.checkpoints.stage(state()), metric)
        if asked:
            self._end(step)

    def end_if_asked(self, step: int) -> None:
        """Leave, once what is saved is committed, if SIGTERM or a person's stop came."""
        if self.stop.heed():
            self._end(step)

    def _end(self, step: int) -> None:
        _log.info("%s at step %d", self.stop.name, step)
        self.checkpoints.drain(self.stop.budget)
        raise self.stop.end_at(step)

    def fit(
        self,
        trainer: LightningTrainer,
        model: LightningModule,
        *data: Any,  # noqa: ANN401 - the Trainer's own
        **more: Any,  # noqa: ANN401 - as above
    ) -> None:
        """`trainer.fit(model, *data, **more)` from the checkpoint to resume from, if there is one.

        Puts in what the trainer lacks of callbacks, logger and seeds, each of which may be given.

        Raises:
            CheckpointLoadError: it cannot be fetched, or does not fit the model.
            Terminated: SIGTERM came; the state is saved, and committed if there was time.
            StoppedByUser: a person stopped the run in W&B; as above.
        """
        fitting = import_module("resilient_training.lightning.fitting")
        fitting.fit_attempt(self, trainer, model, *data, **more)

    def train(self, trainer: HuggingFaceTrainer) -> None:
        """`trainer.train()` of Hugging Face; as `fit`."""
        import_module("resilient_training.huggingface").train(trainer, self)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log a row of step `step`, unless an earlier attempt has."""
        self.history.log(metrics, step)

    def memory(self) -> dict[str, Any]:
        """What the next attempt has to know, as plain values; each checkpoint holds it."""
        return {**self.checkpoints.memory(), "rows": self.history.newest_rows()}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from the memory of the checkpoint that the training resumes from."""
        self.checkpoints.recall(memory)
        self.history.restore(memory["rows"])


def _reads_unknown_loader(parts: Mapping[str, Stateful]) -> bool:
    """Whether a DataLoader is being read, and no part says how far.

    Parts that are iterated over, as loaders and samplers are, know it.
    """
    known = [one for one in parts.values() if not isinstance(one, torch.nn.Module)]
    if any(hasattr(type(one), "__iter__") for one in known):
        return False
    return any(issubclass(type(one), _BaseDataLoaderIter) for one in gc.get_objects())


@contextmanager
def resilient(  # noqa: PLR0913 - each is a word of a user's script
    project: str | None = None,
    *,
    every_n_steps: int = 0,
    every_minutes: float = 5,
    keep: int = 2,
    monitor: str | None = None,
    mode: Literal["min", "max"] = "min",
    folder: Path | None = None,
    healthy: HealthyLoss = _ANY_FINITE,
    seed: int | None = None,
    **wandb_options: Any,  # noqa: ANN401 - of wandb.init
) -> Iterator[Attempt]:
    """Everything around a training: W&B, tags, stops, the true end, exit code, failure file.

    Of several processes that Lightning starts, rank 0 does all of this, and the others only train.

    The block's own end is the training's true end: the last checkpoint is committed, the job is
    marked as completed. Whatever else leaves the block becomes the exit code of the contract.

    Args:
        project: Of W&B; None: WANDB_PROJECT.
        every_n_steps: Save as often, in optimizer steps. 0: not by steps.
        every_minutes: Save as often, since the last save. 0: not by time.
        keep: How many local checkpoints stay, besides the best and those not uploaded.
        monitor: A logged metric; the checkpoint with the best one so far gets the alias `best`.
            None: the framework's own choice, else `val_loss`.
        mode: Whether less of that metric is better (`min`), or more (`max`).
        seed: Of the order of the data and of each step's randomness. None: the framework's own.
        wandb_options: What `wandb.init` takes: config, name, tags, group, entity and others.
        healthy: What a healthy loss is, where losses are told.
        folder: Of local checkpoints; None: `checkpoints` in SageMaker's folder, or in `outputs`.

    Raises:
        SystemExit: 1, 65, 66 or 143, as docs/contract.md says; 1 also where the block cannot have
            the W&B run that it would continue (`BlockError`).
    """
    base = folder_from(os.environ)
    follower = is_follower(os.environ)
    with (
        Ending(base / "output" / "failure", follower=follower) as ending,
        closing(Trial()) as trial,
    ):
        if not follower:
            trial.prepare()  # beside wandb.init, which takes as long
        stop = StopRequest(ending)
        job = job_from(os.environ)
        plan = SavePlan(
            folder or base / "checkpoints",
            attempt=job.attempt,
            every_n_steps=every_n_steps,
            every_minutes=every_minutes,
            keep=keep,
            monitor=monitor,
            mode=mode,
        )
        watch = watch_in(os.environ, follower=follower)
        run, notices, history, store = _begin(
            job, stop, {"project": project, **wandb_options}, watch
        )
        kind = watch.checkpointer_for if watch else Checkpointer
        checkpoints = kind(plan, store, trial)
        if not store.stored:
            trial.close()
        if not follower:
            checkpoints.warn_if_nothing_is_stored()
        marks = JobMarks(NoTags() if follower else tags_of(job))
        marks.begun(run)
        losses = LossHistory(healthy, checkpoints.bar_after)
        with _Kept(history, checkpoints):
            yield Attempt(job, run, checkpoints, losses, stop, history, notices, seed)
        stop.training_is_over()
        checkpoints.finish()
        marks.completed()
        _finish(run)


def _finish(run: wandb.Run) -> None:
    try:
        run.finish()
    except OSError as error:
        # The SDK's service has died: the training is done all the same.
        _log.warning("the W&B run could not be finished: %s", error)


def _begin(
    job: Job, stop: StopRequest, options: Mapping[str, Any], watch: Watch | None
) -> tuple[wandb.Run, Notices, History, RunCheckpoints | FolderStore]:
    """The run and its checkpoints: of W&B, or of the check that watches this process."""
    if watch is not None and watch.stores:
        run = watch.run()
        notices = Notices(run)
        return run, notices, watch.history(run, notices.differs), watch.store()
    run = _begin_run(job, stop, options)
    notices = Notices(run)
    history = History(run, differs=notices.differs)
    return run, notices, history, RunCheckpoints(run, job, history=history)


def _begin_run(job: Job, stop: StopRequest, options: Mapping[str, Any]) -> wandb.Run:
    if is_follower(os.environ):
        return wandb.init(mode="disabled")
    prepare_environment(job)
    claim_run(job, options.get("id"), os.environ)
    job.folder.mkdir(parents=True, exist_ok=True)
    folder = os.environ.get("WANDB_DIR") or job.folder
    run = wandb.init(dir=folder, settings=run_settings(stop), **options)
    _log.info("W&B run %s (%s)", run.id, "resumed" if run.resumed else "new")
    return run


@dataclass(frozen=True)
class _Kept:
    """Keeps what a training has made, whichever way it leaves the block.

    The last row is logged, unless the training goes on elsewhere: its checkpoint holds the row. An
    error waits for the checkpoints that are on their way: the next attempt goes on from there.
    """

    history: History
    checkpoints: Checkpointer

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, Terminated):
            self.history.flush()
        if isinstance(error, Exception) and not isinstance(error, Terminated | StoppedByUser):
            try:
                self.checkpoints.drain(_FAILED_BUDGET)
            except (NotLoadableError, OSError) as lost:
                _log.error("a checkpoint is lost: %s", lost)
