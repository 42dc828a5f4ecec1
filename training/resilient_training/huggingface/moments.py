"""What happens between two steps of a Trainer: saved, ended, or gone on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from resilient_training.huggingface.best import best_folder
from resilient_training.huggingface.continuation import Continuation, Place, means_of
from resilient_training.huggingface.internals import LossSums
from resilient_training.huggingface.snapshot import state_of

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import Trainer, TrainerState

    from resilient_training.attempt import Attempt
    from resilient_training.huggingface.saving import Saving


class Moments:
    """The moments at which all that Trainer does at a step is done, and where the loop is then.

    A checkpoint is saved at such a moment, callbacks and evaluation included; the last step of an
    epoch is left to the epoch's end, which has its evaluation.
    """

    def __init__(
        self, trainer: Trainer, attempt: Attempt, saving: Saving, *, renamed: bool
    ) -> None:
        self.trainer = trainer
        self.attempt = attempt
        self.saving = saving
        self.renamed = renamed
        self.seed = trainer.args.seed if attempt.seed is None else attempt.seed
        self.place = Place()
        self.accumulating = False
        self.newest_row: dict[str, Any] = {}
        self.begun = 0
        self.resumed: Continuation | None = None
        self.unpacked: Path | None = None
        self.asked = False
        self.before_evaluation: TrainerState | None = None

    def step_is_done(self) -> None:
        ends = self.trainer.control.should_training_stop or self.trainer.control.should_epoch_stop
        if self.place.within and (ends or self.place.batches == self.place.in_epoch):
            return  # the epoch's end comes next
        if self.accumulating:
            return  # a stream ended before its batches were enough for a step: they go on
        self.saving.inspect()
        stopping = not self.is_over() and self.attempt.stop.heed()
        if stopping or self.is_wanted():
            self.save()
        if self.is_over():
            self.attempt.stop.training_is_over()
        elif stopping:
            self.attempt.end_if_asked(self.trainer.state.global_step)

    def is_over(self) -> bool:
        state = self.trainer.state
        return self.trainer.control.should_training_stop or state.global_step >= state.max_steps

    def is_wanted(self) -> bool:
        """Whether the attempt's plan, Trainer's own, or a new best asks for a save."""
        if not self.place.within or self.asked:
            return True
        args, step = self.trainer.args, self.trainer.state.global_step
        best = args.load_best_model_at_end and self.saving.is_better()
        return best or self.attempt.checkpoints.due(step)

    def save(self, evaluate: TrainerState | None = None) -> None:
        """Save; `evaluate` is Trainer's state where the evaluation of this step is to be made."""
        if self.saving.folders and not self.asked:
            self.write_folder()
        self.saving.save(
            self.continuation(evaluate=evaluate is not None), evaluate or state_of(self.trainer)
        )
        self.name_best()

    def write_folder(self) -> None:
        trainer: Any = self.trainer
        trainer._save_checkpoint(trainer.model, None)  # noqa: SLF001 - the wrapped one
        trainer.control = trainer.callback_handler.on_save(
            trainer.args, trainer.state, trainer.control
        )

    def continuation(self, *, evaluate: bool) -> Continuation:
        state, norm = self.trainer.state, self.newest_row.get("grad_norm")
        means, tokens = means_of(self.trainer)
        return Continuation(
            place=self.place,
            stopped=self.trainer.control.should_training_stop
            and state.global_step < state.max_steps,
            evaluate=evaluate,
            losses=LossSums.of(self.trainer),
            grad_norm=None if norm is None else float(norm),
            learning_rate=self.newest_row.get("learning_rate"),
            means=means,
            tokens=tokens,
        )

    def leave_evaluation_if_asked(self) -> None:
        """An evaluation may take longer than what SIGTERM leaves: it is made at the resume."""
        state = self.trainer.state
        if not self.accumulating and self.attempt.stop.heed():
            if state.global_step > 0:
                self.save(self.before_evaluation)
            self.attempt.end_if_asked(state.global_step)

    def make_up_evaluation(self, place: Place) -> None:
        """Make the evaluation that a stop broke off, and what Trainer does with it."""
        # What it adds is in no checkpoint yet, though there is one of this step.
        self.attempt.checkpoints.begin(-1)
        self.place = place
        control = self.trainer.control
        control.should_log, control.should_evaluate, control.should_save = False, True, False
        self.between_steps()

    def end_epoch(self) -> None:
        """End the epoch whose last step an earlier attempt made."""
        trainer = self.trainer
        trainer.control = trainer.callback_handler.on_epoch_end(
            trainer.args, trainer.state, trainer.control
        )
        self.between_steps()

    def between_steps(self) -> None:
        """As Trainer's loop does."""
        trainer: Any = self.trainer
        sums = trainer._tr_loss  # noqa: SLF001 - what the loop hands over
        trainer._maybe_log_save_evaluate(  # noqa: SLF001 - the wrapped one
            sums, None, trainer.model, None, self.place.epoch, None, time.time()
        )

    def name_best(self) -> None:
        """As a save of Trainer's own does: it loads the best from there, and never deletes it."""
        if self.trainer.args.save_strategy != "no":
            folder = best_folder(self.trainer)
            self.trainer.state.best_model_checkpoint = None if folder is None else str(folder)
