"""Lightning's loops, with moments at which the state is whole, and a way to go on from each.

Lightning's own restart guesses from its counters where a checkpoint was made. It leaves out the
validation that a kill broke off, feeds schedulers twice or not at all, and calls an epoch's end
the beginning of an empty one. Here the checkpoint says where it was made, and the loop goes on
from there as if it had never left. A checkpoint that does not say so (of a ModelCheckpoint, of an
older version) is left to Lightning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.loops.fit_loop import RestartStage, _FitLoop
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from typing_extensions import override

from resilient_training.data.position import Position
from resilient_training.lightning.moments import Moment, Resumed, Watch
from resilient_training.lightning.seeds import Purpose, StepSeeds

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from lightning.pytorch.loops.fetchers import _DataFetcher

    from resilient_training.lightning.data import ExactData


class ExactEpochLoop(_TrainingEpochLoop):
    """One epoch's batches; calls the watch at `Moment.BATCH` and `Moment.STEP`."""

    def __init__(self, old: _TrainingEpochLoop, watch: Watch, seeds: StepSeeds) -> None:
        super().__init__(old.trainer, old.min_steps, old.max_steps)
        self.watch = watch
        self.seeds = seeds
        self.goes_on = False
        self.batch_is_made = False
        self._validates: bool | None = None

    def go_on_from(self, resumed: Resumed) -> None:
        """Begin in mid-epoch, with the counters as they are."""
        self.goes_on = True
        self.batch_is_made = resumed.moment is Moment.BATCH
        self._validates = resumed.validates if self.batch_is_made else None

    @property
    @override
    def done(self) -> bool:
        return not self.batch_is_made and bool(super().done)

    @override
    def reset(self) -> None:
        if not self.goes_on:
            super().reset()
        self.goes_on = False

    @override
    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self.batch_is_made:
            self.batch_is_made = False
            return
        before = self.batch_progress.total.ready
        self.seeds.seed(self.trainer, Purpose.FETCH)
        super().advance(data_fetcher)
        if self.batch_progress.total.ready > before:
            self._validates = super()._should_check_val_fx(data_fetcher)
            self.watch.batch_made(self.trainer, validates=self._validates)

    @override
    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        self.seeds.seed(self.trainer, Purpose.AFTER_BATCH)
        super().on_advance_end(data_fetcher)
        validated, self._validates = bool(self._validates), None
        self.watch.step_made(self.trainer, validated=validated)

    @override
    def _should_check_val_fx(self, data_fetcher: _DataFetcher) -> bool:
        # Asked twice for one batch, and a clock (`val_check_interval={"minutes": 10}`) goes on.
        if self._validates is not None:
            return self._validates
        return bool(super()._should_check_val_fx(data_fetcher))


class ExactFitLoop(_FitLoop):
    """The epochs; calls the watch at `Moment.EPOCH`."""

    epoch_loop: ExactEpochLoop

    def __init__(self, old: _FitLoop, watch: Watch, seeds: StepSeeds, data: ExactData) -> None:
        super().__init__(old.trainer, old.min_epochs, old.max_epochs)
        self.epoch_loop = ExactEpochLoop(old.epoch_loop, watch, seeds)
        self.watch = watch
        self.seeds = seeds
        self.data = data
        self.resumed: Resumed | None = None
        self.in_epoch = False

    @property
    def position(self) -> Position:
        """How far the training is, for whoever reads its data."""
        epochs, batches = self.epoch_progress.current, self.epoch_loop.batch_progress.current
        within = epochs.ready > epochs.processed  # type: ignore[attr-defined]  # of its subclass
        return Position(epochs.processed, batches.ready if within else 0)  # type: ignore[attr-defined]

    @property
    @override
    def done(self) -> bool:
        return not self.in_epoch and bool(super().done)

    @property
    @override
    def skip(self) -> bool:
        # A training that was done when it was saved has its end, with the hooks of that, to come.
        if self.resumed is not None and self.max_batches and self.trainer.limit_train_batches:
            return False
        return bool(super().skip)

    @override
    def load_state_dict(self, state_dict: dict[str, Any], prefix: str = "") -> None:
        super().load_state_dict(state_dict, prefix)
        # The training that goes on has been checked, and the check would reset the counters.
        self.epoch_loop.val_loop._restarting = True  # noqa: SLF001 - its setter knows better

    @override
    def run(self) -> None:
        self.resumed = self.watch.training_begins()
        if self.resumed is not None:
            self._go_on_from(self.resumed)
        super().run()
        self.resumed = None

    @override
    def setup_data(self) -> None:
        with self.data.of(self):
            super().setup_data()

    def _go_on_from(self, resumed: Resumed) -> None:
        _forget_restart(self)
        self.trainer.should_stop = resumed.should_stop
        self.in_epoch = resumed.moment is not Moment.EPOCH
        if self.in_epoch:
            self.epoch_loop.go_on_from(resumed)

    @override
    def reset(self) -> None:
        if self.resumed is None:
            super().reset()
            return
        torch.set_grad_enabled(True)
        # Lightning's word for an epoch whose beginning, with its hooks, is not to come again.
        stage = RestartStage.RESTARTED_MID_EPOCH if self.in_epoch else RestartStage.NONE
        self._restart_stage = stage

    @override
    def on_run_start(self) -> None:
        super().on_run_start()
        if self.resumed is not None:
            self.watch.restore(self.trainer)

    @override
    def on_advance_start(self) -> None:
        if not self.in_epoch:
            self.seeds.seed(self.trainer, Purpose.EPOCH_START)
        super().on_advance_start()

    @override
    def on_advance_end(self) -> None:
        self.seeds.seed(self.trainer, Purpose.EPOCH_END)
        super().on_advance_end()
        self.watch.epoch_made(self.trainer)

    @override
    def on_iteration_done(self) -> None:
        super().on_iteration_done()
        self.resumed, self.in_epoch = None, False

    @override
    def _load_combined_loader_states(self) -> None:
        # Lightning leaves them out at an epoch's end, where a stream goes on as well.
        if self._combined_loader is not None and self._combined_loader_states_to_load:
            self._combined_loader._load_state_dicts(self._combined_loader_states_to_load)  # noqa: SLF001
            self._combined_loader_states_to_load = []


def put_loop_in(trainer: Trainer, watch: Watch, seeds: StepSeeds, data: ExactData) -> None:
    """Put the exact loop in the place of the trainer's, with the trainer's limits."""
    trainer.fit_loop = ExactFitLoop(trainer.fit_loop, watch, seeds, data)


def _forget_restart(loop: _Loop) -> None:
    loop._restarting = False  # noqa: SLF001 - the setter of the fit loop would keep it
    for part in vars(loop).values():
        if isinstance(part, _Loop):
            _forget_restart(part)
