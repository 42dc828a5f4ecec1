"""What the next step depends on and Lightning's own checkpoint does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from resilient_training.lightning.attributes import restore_attributes
from resilient_training.lightning.averages import (
    apart,
    averages_of,
    moved,
    restore_averages,
    restore_torchmetrics,
    torchmetrics_of,
)
from resilient_training.lightning.callbacks import those

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import LightningModule, Trainer

    from resilient_training.lightning.attributes import Attributes

_METRICS = ("_callback_metrics", "_logged_metrics", "_progress_bar_metrics")
_OF_LOGGING = ("_first_loop_iter", "_current_fx")
# Whether a save was put off, and which step is saved already: ModelCheckpoint keeps them to itself.
_OF_MODEL_CHECKPOINT = (
    "_last_global_step_saved",
    "_last_checkpoint_saved",
    "_defer_save_until_validation",
)


def carried(trainer: Trainer, attributes: Attributes) -> dict[str, Any]:
    """Tensors and plain values; all processes take part.

    EarlyStopping and ReduceLROnPlateau read metrics that were measured before. Sums of an epoch
    are of each process alone until it ends.
    """
    connector = trainer._logger_connector  # noqa: SLF001 - Lightning restores none of it
    validation = trainer.fit_loop.epoch_loop.val_loop
    mine = {
        "averages": averages_of(trainer.fit_loop.epoch_loop._results),  # noqa: SLF001 - as above
        "torchmetrics": torchmetrics_of(trainer.lightning_module),
        "attributes": attributes.changed(trainer),
    }
    return {
        "should_stop": trainer.should_stop,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "frozen": _frozen(trainer.lightning_module),
        "metrics": {name: apart(dict(getattr(connector, name))) for name in _METRICS},
        "logging": {name: getattr(connector, name) for name in _OF_LOGGING},
        "validation": {
            "has_run": validation._has_run,  # noqa: SLF001 - as above
            "seen": dict(validation._seen_batches_per_dataloader),  # noqa: SLF001 - as above
        },
        "model_checkpoints": {
            one.state_key: {name: getattr(one, name) for name in _OF_MODEL_CHECKPOINT}
            for one in those(trainer, ModelCheckpoint)
        },
        "ranks": of_each_rank(trainer, mine),
    }


def restore_carried(trainer: Trainer, saved: Mapping[str, Any]) -> None:
    """Put it all back, in a training that is about to make its next step."""
    module = trainer.lightning_module
    # GradientAccumulationScheduler sets it at the beginning of an epoch.
    trainer.accumulate_grad_batches = saved["accumulate_grad_batches"]
    for name, parameter in module.named_parameters():
        parameter.requires_grad = name not in saved["frozen"]
    connector = trainer._logger_connector  # noqa: SLF001 - as above
    for name in _METRICS:
        setattr(connector, name, moved(dict(saved["metrics"][name]), module.device))
    for name in _OF_LOGGING:
        setattr(connector, name, saved["logging"][name])
    validation = trainer.fit_loop.epoch_loop.val_loop
    validation._has_run = saved["validation"]["has_run"]  # noqa: SLF001 - as above
    validation._seen_batches_per_dataloader.update(saved["validation"]["seen"])  # noqa: SLF001 - as above
    for one in those(trainer, ModelCheckpoint):
        vars(one).update(saved["model_checkpoints"].get(one.state_key, {}))
    ranks = saved["ranks"]
    mine = ranks[trainer.global_rank % len(ranks)]
    results = trainer.fit_loop.epoch_loop._results  # noqa: SLF001 - as above
    restore_averages(results, mine["averages"], trainer)
    restore_torchmetrics(module, mine["torchmetrics"])
    restore_attributes(trainer, mine["attributes"])


def _frozen(module: LightningModule) -> list[str]:
    """What a callback such as BackboneFinetuning has frozen; it forgets that in a resume."""
    return [name for name, one in module.named_parameters() if not one.requires_grad]


def of_each_rank(trainer: Trainer, mine: dict[str, Any]) -> list[dict[str, Any]]:
    """What each process has, in the order of their ranks."""
    if trainer.world_size == 1:
        return [mine]
    of_all: list[dict[str, Any]] = [{}] * trainer.world_size
    torch.distributed.all_gather_object(of_all, mine)
    return of_all
