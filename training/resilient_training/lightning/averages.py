"""What `self.log` has summed up so far, and torchmetrics: in no checkpoint of Lightning's."""

from __future__ import annotations

import builtins
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.trainer.connectors.logger_connector.result import (
    _Metadata,
    _ResultMetric,
    _Sync,
)
from torch import Tensor
from torchmetrics import Metric, MetricCollection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.trainer.connectors.logger_connector.result import _ResultCollection

_PLAIN = (
    "fx",
    "name",
    "prog_bar",
    "logger",
    "on_step",
    "on_epoch",
    "enable_graph",
    "add_dataloader_idx",
    "dataloader_idx",
    "metric_attribute",
)


def averages_of(results: _ResultCollection) -> list[dict[str, Any]]:
    """What was logged in this epoch, as tensors and plain values."""
    return [_plain(key, logged) for key, logged in results.items() if not logged.has_reset]


def has_groups(results: _ResultCollection) -> bool:
    """Whether something was logged with a `sync_dist_group`, which is no plain value."""
    return any(logged.meta.sync.group is not None for logged in results.values())


def restore_averages(
    results: _ResultCollection, saved: Sequence[Mapping[str, Any]], trainer: Trainer
) -> None:
    """Have `results` hold what was saved and nothing else; the next values are added to it."""
    results.clear()
    for one in saved:
        results[one["key"]] = _restored(one, trainer)


def _plain(key: str, logged: _ResultMetric) -> dict[str, Any]:
    meta, sync = logged.meta, logged.meta.sync
    reduce = meta.reduce_fx
    return {
        "key": key,
        "meta": {name: getattr(meta, name) for name in _PLAIN},
        "reduce": (reduce in {builtins.min, builtins.max, builtins.sum}, reduce.__name__),
        "sync": (sync.should, sync.rank_zero_only),
        "value": apart(logged.value) if logged.is_tensor else None,
        "count": apart(getattr(logged, "cumulated_batch_size", None)),
        "step": apart(logged._forward_cache),  # noqa: SLF001 - what the row of a step shows
        "updates": logged._update_count,  # noqa: SLF001 - without it Lightning warns
    }


def _restored(saved: Mapping[str, Any], trainer: Trainer) -> _ResultMetric:
    module = trainer.lightning_module
    of_python, name = saved["reduce"]
    reduce: Callable[..., Any] = getattr(builtins if of_python else torch, name)
    meta = _Metadata(**saved["meta"], reduce_fx=reduce)
    should, rank_zero_only = saved["sync"]
    meta.sync = _Sync(_should=should, fn=trainer.strategy.reduce, rank_zero_only=rank_zero_only)
    is_tensor = saved["value"] is not None
    logged = _ResultMetric(meta, is_tensor)
    if is_tensor:
        logged.value = saved["value"]
        if saved["count"] is not None:
            logged.cumulated_batch_size = saved["count"]
    else:
        logged.value = attrgetter(saved["meta"]["metric_attribute"])(module)
    logged._forward_cache = saved["step"]  # noqa: SLF001 - as above
    logged._update_count = saved["updates"]  # noqa: SLF001 - as above
    return logged.to(module.device) if is_tensor else logged


def torchmetrics_of(module: LightningModule) -> dict[str, dict[str, Any]]:
    """The states of the module's torchmetrics, which its own state leaves out as a rule."""
    for collection in module.modules():
        if isinstance(collection, MetricCollection):
            # Of metrics that share a state only the first has it, until somebody looks.
            list(collection.items(keep_base=True, copy_state=False))
    return {
        name: {"states": _states(metric), "updates": metric._update_count}  # noqa: SLF001 - has no getter
        for name, metric in module.named_modules()
        if isinstance(metric, Metric) and metric._update_count  # noqa: SLF001 - as above
    }


def _states(metric: Metric) -> dict[str, Any]:
    return {name: apart(getattr(metric, name)) for name in metric._defaults}  # noqa: SLF001 - as above


def restore_torchmetrics(module: LightningModule, saved: Mapping[str, Mapping[str, Any]]) -> None:
    metrics = {name: one for name, one in module.named_modules() if isinstance(one, Metric)}
    for name, metric in metrics.items():
        if name in saved:
            for state, value in saved[name]["states"].items():
                setattr(metric, state, moved(value, metric.device))
            metric._update_count = saved[name]["updates"]  # noqa: SLF001 - as above


def apart(value: Any) -> Any:  # noqa: ANN401 - tensors, lists of them, plain values
    """A copy on the CPU that the training does not change."""
    match value:
        case Tensor():
            return value.detach().cpu().clone()
        case list():
            return [apart(one) for one in value]
        case dict():
            return {name: apart(one) for name, one in value.items()}
        case _:
            return value


def moved(value: Any, device: torch.device) -> Any:  # noqa: ANN401 - as above
    match value:
        case Tensor():
            return value.to(device)
        case list():
            return [moved(one, device) for one in value]
        case dict():
            return {name: moved(one, device) for name, one in value.items()}
        case _:
            return value
