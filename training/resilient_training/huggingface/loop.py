"""Trainer's loop, made resumable: what happens between two of its steps, and at its beginning."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl
from transformers.integrations.integration_utils import rewrite_logs
from transformers.trainer_callback import ExportableState
from typing_extensions import override

from resilient_training.data.loaders import exact, inner_loader
from resilient_training.data.randomness import seed_from
from resilient_training.huggingface.best import best_folder, bring_best
from resilient_training.huggingface.continuation import Continuation, Place, means_of, put_means
from resilient_training.huggingface.internals import LossSums, arguments_of, wrapped
from resilient_training.huggingface.snapshot import LOADER, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from transformers import Trainer, TrainerState, TrainingArguments

    from resilient_training.attempt import Attempt
    from resilient_training.huggingface.saving import Saving

_OF_THE_STEP = ("grad_norm", "learning_rate")
_RATES = ("train_samples_per_second", "train_steps_per_second")


class ResumableLoop(TrainerCallback):
    """The one callback of a Trainer that comes back, and what it puts around Trainer's methods.

    A checkpoint is saved when all that Trainer does at a step is done, callbacks and evaluation
    included; the last step of an epoch is left to the epoch's end, which has its evaluation.
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

    # Around Trainer's own methods

    @contextmanager
    def around(self) -> Iterator[None]:
        """Be part of the Trainer, for one training."""
        around: dict[str, Callable[..., Any]] = {
            "_init_training_state": self._go_on,
            "_run_epoch": self._run_epoch,
            "_maybe_log_save_evaluate": self._log_save_evaluate,
            "_evaluate": self._evaluate,
            "_save_checkpoint": self._note_save,
            "_load_best_model": self._load_best,
            "get_train_dataloader": self._exact_loader,
        }
        with ExitStack() as stack:
            for name, method in around.items():
                stack.enter_context(wrapped(self.trainer, name, method))
            self.trainer.add_callback(self)
            stack.callback(self.trainer.remove_callback, self)
            yield

    def _go_on(self, original: Callable[..., tuple[int, int]], *args: object) -> tuple[int, int]:
        """Trainer works the place out of the step, as if each epoch had all of its steps."""
        computed = original(*args)
        if self.resumed is None:
            return computed
        _restore_callbacks(self.trainer)
        self._name_best()
        epoch, batches = self.resumed.place.next
        return epoch, 0 if self.trainer.args.ignore_data_skip else batches

    def _exact_loader(self, original: Callable[[], object]) -> object:
        args = self.trainer.args
        given = args.seed if args.data_seed is None else args.data_seed
        seed = given if self.attempt.seed is None else self.attempt.seed
        loader = exact(original(), seed=self.attempt.data_seed(seed), notices=self.attempt.notices)
        self.saving.loader = inner_loader(loader)
        saved = None if self.unpacked is None else self.unpacked / LOADER
        if saved is not None and saved.is_file():
            self.saving.loader.load_state_dict(torch.load(saved, weights_only=True))
        return loader

    def _run_epoch(self, original: Callable[..., None], *args: object, **named: object) -> None:
        if self._is_over():
            # Trainer looks only when it has trained one more step.
            self.trainer.control.should_training_stop = True
            if self.place.within:
                self._end_epoch()
            return
        given = arguments_of(original, args, named)
        is_first = self.resumed is not None and given["epoch"] == given["epochs_trained"]
        skipped = given["steps_trained_in_current_epoch"] if is_first else 0
        self.place = Place(given["epoch"], skipped, given["steps_in_epoch"], within=True)
        original(**given)

    def _log_save_evaluate(
        self, original: Callable[..., None], *args: object, **named: object
    ) -> None:
        given = arguments_of(original, args, named)
        if given["grad_norm"] is None and given.get("learning_rate") is None:
            given |= self.newest_row  # the steps of this epoch were made by an earlier attempt
        self.newest_row = {name: given.get(name) for name in _OF_THE_STEP}
        self.asked = False
        original(**given)
        self._step_is_done()

    def _evaluate(
        self, original: Callable[..., object], *args: object, skip_scheduler: bool = False
    ) -> object:
        if skip_scheduler and self.resumed is not None:
            return {}  # eval_on_start: it was made when the training began
        self.before_evaluation = state_of(self.trainer)
        self._leave_evaluation_if_asked()
        seed_from(self.seed, self.trainer.state.global_step, 1)
        metrics = original(*args, skip_scheduler=skip_scheduler)
        self.before_evaluation = None
        return metrics

    def _note_save(self, original: Callable[..., None], *args: object) -> None:
        self.asked = True
        if self.saving.folders:
            original(*args)

    def _load_best(self, original: Callable[..., None]) -> None:
        bring_best(self.trainer, self.attempt)
        original()

    # Trainer's events

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.begun = state.global_step
        if self.resumed is None:
            return
        self.resumed.losses.put_into(self.trainer)
        put_means(self.trainer, self.resumed)
        self.newest_row = {name: getattr(self.resumed, name) for name in _OF_THE_STEP}
        control.should_training_stop = self.resumed.stopped or state.global_step >= state.max_steps
        if self.resumed.evaluate:
            self._make_up_evaluation(self.resumed.place)

    @override
    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        seed_from(self.seed, state.global_step)

    @override
    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.accumulating = True
        self.place = replace(self.place, batches=self.place.batches + 1)

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.accumulating = False
        self.place = replace(self.place, batches=self.place.batches + 1)
        if self.unpacked is not None and not args.auto_find_batch_size:
            # Trainer has read all of it, and its room is that of one more checkpoint.
            shutil.rmtree(self.unpacked, ignore_errors=True)
            self.unpacked = None

    @override
    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        broken_off = (
            control.should_training_stop
            and not control.should_epoch_stop
            and self.place.batches < self.place.in_epoch
        )
        self.place = replace(self.place, within=False, broken_off=broken_off)

    @override
    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.before_evaluation is not None:
            self._leave_evaluation_if_asked()

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
        if "train_runtime" in row:
            # Trainer divides the steps of all attempts by the seconds of this one.
            share = (state.global_step - self.begun) / max(state.global_step, 1)
            row |= {name: row[name] * share for name in _RATES if name in row}
            state.log_history[-1].update(row)
        self.attempt.log(_renamed(row) if self.renamed else row, state.global_step)
        if "loss" in row:
            # The newest weights that this mean was computed with are those before the last step.
            self.attempt.losses.see(state.global_step - 1, float(row["loss"]))

    # The moments between two steps

    def _step_is_done(self) -> None:
        ends = self.trainer.control.should_training_stop or self.trainer.control.should_epoch_stop
        if self.place.within and (ends or self.place.batches == self.place.in_epoch):
            return  # the epoch's end comes next
        if self.accumulating:
            return  # a stream ended before its batches were enough for a step: they go on
        self.saving.inspect()
        stopping = not self._is_over() and self.attempt.stop.heed()
        if stopping or self._is_wanted():
            self._save()
        if self._is_over():
            self.attempt.stop.training_is_over()
        elif stopping:
            self.attempt.end_if_asked(self.trainer.state.global_step)

    def _is_over(self) -> bool:
        state = self.trainer.state
        return self.trainer.control.should_training_stop or state.global_step >= state.max_steps

    def _is_wanted(self) -> bool:
        """Whether the attempt's plan, Trainer's own, or a new best asks for a save."""
        if not self.place.within or self.asked:
            return True
        args, step = self.trainer.args, self.trainer.state.global_step
        best = args.load_best_model_at_end and self.saving.is_better()
        return best or self.attempt.checkpoints.due(step)

    def _save(self, evaluate: TrainerState | None = None) -> None:
        """Save; `evaluate` is Trainer's state where the evaluation of this step is to be made."""
        if self.saving.folders and not self.asked:
            self._write_folder()
        self.saving.save(
            self._continuation(evaluate=evaluate is not None), evaluate or state_of(self.trainer)
        )
        self._name_best()

    def _write_folder(self) -> None:
        trainer: Any = self.trainer
        trainer._save_checkpoint(trainer.model, None)  # noqa: SLF001 - the wrapped one
        trainer.control = trainer.callback_handler.on_save(
            trainer.args, trainer.state, trainer.control
        )

    def _continuation(self, *, evaluate: bool) -> Continuation:
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

    def _leave_evaluation_if_asked(self) -> None:
        """An evaluation may take longer than what SIGTERM leaves: it is made at the resume."""
        state = self.trainer.state
        if not self.accumulating and self.attempt.stop.heed():
            if state.global_step > 0:
                self._save(self.before_evaluation)
            self.attempt.end_if_asked(state.global_step)

    def _make_up_evaluation(self, place: Place) -> None:
        """Make the evaluation that a stop broke off, and what Trainer does with it."""
        # What it adds is in no checkpoint yet, though there is one of this step.
        self.attempt.checkpoints.begin(-1)
        self.place = place
        control = self.trainer.control
        control.should_log, control.should_evaluate, control.should_save = False, True, False
        self._between_steps()

    def _end_epoch(self) -> None:
        """End the epoch whose last step an earlier attempt made."""
        trainer = self.trainer
        trainer.control = trainer.callback_handler.on_epoch_end(
            trainer.args, trainer.state, trainer.control
        )
        self._between_steps()

    def _between_steps(self) -> None:
        """As Trainer's loop does."""
        trainer: Any = self.trainer
        sums = trainer._tr_loss  # noqa: SLF001 - what the loop hands over
        trainer._maybe_log_save_evaluate(  # noqa: SLF001 - the wrapped one
            sums, None, trainer.model, None, self.place.epoch, None, time.time()
        )

    def _name_best(self) -> None:
        """As a save of Trainer's own does: it loads the best from there, and never deletes it."""
        if self.trainer.args.save_strategy != "no":
            folder = best_folder(self.trainer)
            self.trainer.state.best_model_checkpoint = None if folder is None else str(folder)


def _renamed(row: dict[str, float]) -> dict[str, float]:
    """As transformers' own W&B callback names it."""
    named: dict[str, float] = rewrite_logs(row)  # type: ignore[no-untyped-call]  # of transformers
    return named


def _restore_callbacks(trainer: Trainer) -> None:
    """Restore in place what Trainer forgets unless `restore_callback_states_from_checkpoint`."""
    if trainer.args.restore_callback_states_from_checkpoint:
        return
    stateful: Any = trainer.state.stateful_callbacks  # what TrainerState makes of the callbacks
    saved = {
        name: list(states) if isinstance(states, list) else [states]
        for name, states in stateful.items()
    }
    for callback in trainer.callback_handler.callbacks:
        states = saved.get(type(callback).__name__)
        if isinstance(callback, ExportableState) and states:
            for name, value in states.pop(0)["attributes"].items():
                setattr(callback, name, value)
