"""What cannot be resumed under Lightning, said before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning
from lightning.pytorch.callbacks import StochasticWeightAveraging
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

from resilient_training.lightning.callbacks import those

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.notices import Notices


class UnsupportedTrainingError(Exception):
    """This training could not be resumed; the text says what to change."""


def refuse(trainer: Trainer) -> None:
    """Look at the trainer.

    Raises:
        UnsupportedTrainingError: its checkpoints are no single file, or its loops are not known.
    """
    why = _sharded(trainer) or _processes(trainer) or _loops(trainer)
    if why:
        raise UnsupportedTrainingError(why)


def _sharded(trainer: Trainer) -> str | None:
    match trainer.strategy:
        case FSDPStrategy(_state_dict_type="sharded"):
            return "FSDPStrategy saves in shards: give it state_dict_type='full'"
        case ModelParallelStrategy(_save_distributed_checkpoint=True):
            return "ModelParallelStrategy saves shards: give it save_distributed_checkpoint=False"
        case DeepSpeedStrategy():
            return "DeepSpeed saves in shards: use FSDPStrategy(state_dict_type='full') or DDP"
        case _:
            return None


def _processes(trainer: Trainer) -> str | None:
    if trainer.num_nodes > 1:
        return "several machines: attempt.fit is for the processes of one"
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        return "processes that are forked or spawned: use Trainer(strategy='ddp')"
    return None


def _loops(trainer: Trainer) -> str | None:
    loop = trainer.fit_loop
    needed = ("_load_combined_loader_states", "_restart_stage", "epoch_progress")
    if not isinstance(loop, _FitLoop):
        return f"the trainer's fit_loop is a {type(loop).__name__}: attempt.fit has its own"
    missing = [name for name in needed if not hasattr(loop, name)]
    if missing or not hasattr(loop.epoch_loop, "_batches_that_stepped"):
        return f"Lightning {lightning.__version__} has other loops: install lightning==2.6.*"
    return None


def tell(trainer: Trainer, model: LightningModule, notices: Notices) -> None:
    """Say what a resume will not give exactly."""
    if getattr(trainer, "_val_check_time_interval", None) is not None:
        notices.differs(
            "validations come by the clock (val_check_interval is a time): after other batches"
        )
    if (getattr(trainer, "reload_dataloaders_every_n_epochs", 0) or 0) > 1:
        notices.differs(
            "loaders are made anew only every few epochs (reload_dataloaders_every_n_epochs > 1):"
            " a resume makes them at once, and counts from there"
        )
    if those(trainer, StochasticWeightAveraging):
        notices.differs(
            "StochasticWeightAveraging makes its schedule anew in a resume: the learning rate of"
            " its first steps may be another"
        )
    code = getattr(type(model).training_step, "__code__", None)
    if code is not None and "dataloader_iter" in code.co_varnames[: code.co_argcount]:
        notices.differs(
            "training_step(dataloader_iter) takes batches ahead: those that were taken and not"
            " trained on are left out"
        )
