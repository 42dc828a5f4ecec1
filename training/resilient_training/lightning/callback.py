"""Checkpoints of a Lightning training, made by the attempt's `Checkpointer`."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from typing_extensions import override

from resilient_training.ending import StoppedByUser
from resilient_training.lightning.attributes import Attributes
from resilient_training.lightning.best import Measured, pin_folders, with_monitor
from resilient_training.lightning.callbacks import callbacks_of
from resilient_training.lightning.carried import carried, restore_carried
from resilient_training.lightning.gradients import (
    Gradients,
    can_carry,
    gradients_of,
    restore_gradients,
)
from resilient_training.lightning.moments import Moment, Resumed
from resilient_training.lightning.stops import Asked, any_of, asked, is_over, validates_alike
from resilient_training.lightning.validation import BeforeValidation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.attempt import Attempt
    from resilient_training.checkpoints.metadata import Metric
    from resilient_training.checkpoints.snapshot import Snapshot

_log = logging.getLogger(__name__)

_KEY = "resilient_training"
# An accumulation of one's own is longer seldom; a stop has 120 s until the kill.
_BATCHES_TO_WAIT = 128
_SECONDS_TO_WAIT = 30.0


@dataclass(frozen=True)
class _Loaded:
    """What a checkpoint that is resumed from has for us; an older one has no `rest`."""

    memory: Mapping[str, Any] | None
    rest: Mapping[str, Any] | None


class CheckpointArtifacts(Callback):
    """Saves as planned, at each epoch's end, what is best so far, and on a stop.

    Its checkpoints are of `Moment.STEP`, or of `Moment.EPOCH`; of `Moment.BATCH` where a validation
    follows, which may be long. With several processes all take part in each save, as Lightning
    wants it, and rank 0 writes and commits. `attempt.fit` calls it at each moment, as a `Watch`.
    """

    def __init__(self, attempt: Attempt, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.attempt = attempt
        self.checkpointer = attempt.checkpoints
        self.gradients = Gradients()
        self.attributes = Attributes(attempt.notices)
        self.measured = Measured()
        self._clock = clock
        self._loaded: _Loaded | None = None
        self._saving: dict[str, Any] | None = None
        self._saved: tuple[int, Moment] | None = None
        self._before: BeforeValidation | None = None
        self._waited = 0
        self._asked_at: float | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            plan = self.checkpointer.plan
            self.checkpointer.plan = with_monitor(plan, trainer)
            pin_folders(trainer, self.attempt.run.id)

    # --- What the checkpoint holds beside Lightning's own. ---

    @override
    def state_dict(self) -> dict[str, Any]:
        return self.attempt.memory()

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self._saving is not None:
            checkpoint[_KEY] = {**self._saving, **carried(trainer, self.attributes)}

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # `trainer.test(ckpt_path="best")` loads one too, and goes on with nothing.
        if trainer.state.fn is TrainerFn.FITTING:
            memory = checkpoint["callbacks"].get(self.state_key)
            self._loaded = _Loaded(memory, checkpoint.get(_KEY))

    # --- The moments. ---

    def training_begins(self) -> Resumed | None:
        # Lightning's handler would talk to other processes wherever the signal finds it, which now
        # and then is in the middle of another exchange, and all wait for ever.
        self.attempt.stop.listen()
        rest = self._loaded and self._loaded.rest
        if not rest:
            return None
        moment = Moment(rest["moment"])
        return Resumed(moment, rest["validates"], rest["should_stop"])

    @override
    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.attempt.stop.listen()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin; from now on a stop has something to save.

        Raises:
            StoppedByUser: a person's stop came first.
        """
        self.checkpointer.begin(trainer.global_step)
        self.gradients.watch(trainer)
        self.attributes.begin(trainer)
        if self._loaded and self._loaded.memory is not None:
            self.attempt.recall(self._loaded.memory)
        stop = self.attempt.stop
        stop.training = True
        if any_of(trainer, here=stop.by_user):
            stop.heed()
            raise StoppedByUser("in W&B, before the training began")

    def restore(self, trainer: Trainer) -> None:
        rest = self._loaded and self._loaded.rest
        self._loaded = None
        if rest:
            restore_carried(trainer, rest)
            restore_gradients(trainer, rest["gradients"])
            self.measured.forget(trainer, self.checkpointer.plan)
            self._saved = (_batch(trainer), Moment(rest["moment"]))

    def batch_made(self, trainer: Trainer, *, validates: bool) -> None:
        if not (validates and self._is_in(trainer)):
            return
        now = self._asked(trainer)
        if self._may_save(trainer, now):
            if now.ends(over=is_over(trainer), validates=True):
                self._leave(trainer, now, Moment.BATCH)
            if now.due:
                self._save(trainer, Moment.BATCH)
        if can_carry(trainer) or not self._pending(trainer):
            self._before = BeforeValidation.of(trainer, self.attributes)

    def step_made(self, trainer: Trainer, *, validated: bool) -> None:
        self._before = None
        if not self._is_in(trainer):
            return
        self._inspect(trainer)
        now = self._asked(trainer)
        ends = now.ends(over=is_over(trainer))
        # In an epoch's last step the end of the epoch is near, and saves.
        near = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch and not ends
        if validated and not near:
            self._save_if_best(trainer)
        if (ends or (now.due and not near)) and self._may_save(trainer, now):
            if ends:
                self._leave(trainer, now, Moment.STEP)
            self._save(trainer, Moment.STEP)

    def epoch_made(self, trainer: Trainer) -> None:
        if not self._is_in(trainer):
            return
        self._save(trainer, Moment.EPOCH, self.measured.metric(trainer, self.checkpointer.plan))
        now = self._asked(trainer)
        if now.ends(over=is_over(trainer, after_epoch=True)):
            self._leave(trainer, now, Moment.EPOCH)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._before is not None and not validates_alike(trainer):
            self._before = None  # a stop has to wait for the end of this validation

    @override
    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Leave a validation, which after the resume is made anew.

        Raises:
            Terminated: SIGTERM came; the state before the validation is saved.
            StoppedByUser: a person stopped the run in W&B; as above.
        """
        if self._before is None:
            return
        now = self._asked(trainer)
        if now.ends(over=is_over(trainer), validates=True):
            self._leave(trainer, now, Moment.BATCH)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.attempt.stop.training_is_over()

    # --- Saving. ---

    def _is_in(self, trainer: Trainer) -> bool:
        """A search for a learning rate or a batch size takes all callbacks out for its steps."""
        return self in callbacks_of(trainer)

    def _asked(self, trainer: Trainer) -> Asked:
        due = self.checkpointer.due(trainer.global_step)
        now = asked(trainer, self.attempt.stop, due=due)
        if now.stop and self._asked_at is None:
            self._asked_at = self._clock()
        return now

    def _pending(self, trainer: Trainer) -> bool:
        return any_of(trainer, here=self.gradients.pending(trainer))

    def _save_if_best(self, trainer: Trainer) -> None:
        metric = self.measured.best(trainer, self.checkpointer)
        if any_of(trainer, here=metric is not None and trainer.is_global_zero):
            self._save(trainer, Moment.STEP, metric)

    def _may_save(self, trainer: Trainer, now: Asked) -> bool:
        """Whether no gradients are being accumulated, or it was waited long enough for them."""
        if not (now.stop or now.due):
            return False
        if not self._pending(trainer):
            self._waited = 0
            return True
        self._waited += 1
        waited = self._asked_at is not None and self._clock() - self._asked_at > _SECONDS_TO_WAIT
        return any_of(trainer, here=waited or self._waited > _BATCHES_TO_WAIT)

    def _leave(self, trainer: Trainer, now: Asked, moment: Moment) -> NoReturn:
        """Save, wait for the commit, end."""
        stop, step = self.attempt.stop, trainer.global_step
        stop.heed()
        if self._before is not None:
            self._before.put_back(trainer)
        self._save(trainer, moment)
        if trainer.is_global_zero:
            _log.info("%s at step %d", stop.name, step)
            self.checkpointer.drain(stop.budget)
        raise now.end_at(step)

    def _save(self, trainer: Trainer, moment: Moment, metric: Metric | None = None) -> None:
        """Save the state of now, in all processes, unless it is that of the newest checkpoint."""
        at = (_batch(trainer), moment)
        if at == self._saved:
            return
        self._saved = at
        state = self._state(trainer, moment)
        step = trainer.global_step
        # One step has several moments, of which a later one is worth another checkpoint.
        self.checkpointer.saved_step = -1
        if trainer.is_global_zero:
            # The epoch of the step: Lightning's own count is one further when the epoch is done.
            epoch = trainer.current_epoch - (moment is Moment.EPOCH)
            self.checkpointer.save(step, epoch, lambda: self._staged(state), metric)
        else:
            self.checkpointer.begin(step)

    def _inspect(self, trainer: Trainer) -> None:
        """Once, after the first step: all processes put the state together, and rank 0 looks."""
        if self.checkpointer.inspected:
            return
        state = self._state(trainer, Moment.STEP)
        self.checkpointer.inspected = True
        if trainer.is_global_zero:
            self.checkpointer.inspect(state)

    def _staged(self, state: dict[str, Any]) -> Snapshot:
        # By now the checkpointer knows whether this one is the best.
        state["callbacks"][self.state_key].update(self.checkpointer.memory())
        return self.checkpointer.stage(state)

    def _state(self, trainer: Trainer, moment: Moment) -> dict[str, Any]:
        self._saving = {
            "moment": moment.value,
            "validates": moment is Moment.BATCH,
            "gradients": self._gradients(trainer),
        }
        connector = trainer._checkpoint_connector  # noqa: SLF001 - save_checkpoint writes it at once
        state: dict[str, Any] = connector.dump_checkpoint(weights_only=False)
        self._saving = None
        if self._before is not None:
            self._before.put_into(state, _KEY)
        return state

    def _gradients(self, trainer: Trainer) -> Mapping[str, Any]:
        if not self._pending(trainer):
            return {}
        if can_carry(trainer):
            return gradients_of(trainer)
        self.attempt.notices.differs(
            f"the checkpoint of step {trainer.global_step} was made while gradients were"
            " accumulated, and with several processes these are not saved: the step that they"
            " were for is another after a resume from it"
        )
        return {}


def _batch(trainer: Trainer) -> int:
    ready: int = trainer.fit_loop.epoch_loop.batch_progress.total.ready
    return ready
