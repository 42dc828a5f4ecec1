"""Trainer's loop, made resumable: what happens between two of its steps, and at its beginning."""

from __future__ import annotations

import shutil
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
from resilient_training.huggingface.best import bring_best
from resilient_training.huggingface.continuation import Place, put_means
from resilient_training.huggingface.internals import arguments_of, wrapped
from resilient_training.huggingface.moments import Moments
from resilient_training.huggingface.snapshot import LOADER, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformers import Trainer, TrainerState, TrainingArguments


_OF_THE_STEP = ("grad_norm", "learning_rate")
_RATES = ("train_samples_per_second", "train_steps_per_second")


class ResumableLoop(Moments, TrainerCallback):
    """The one callback of a Trainer that comes back, and what it puts around Trainer's methods."""

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
        self.name_best()
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
        if self.is_over():
            # Trainer looks only when it has trained one more step.
            self.trainer.control.should_training_stop = True
            if self.place.within:
                self.end_epoch()
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
        self.step_is_done()

    def _evaluate(
        self, original: Callable[..., object], *args: object, skip_scheduler: bool = False
    ) -> object:
        if skip_scheduler and self.resumed is not None:
            return {}  # eval_on_start: it was made when the training began
        self.before_evaluation = state_of(self.trainer)
        self.leave_evaluation_if_asked()
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
            self.make_up_evaluation(self.resumed.place)

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
            self.leave_evaluation_if_asked()

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
