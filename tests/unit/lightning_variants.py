"""What people write in Lightning: one small training for each kind of state that it has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    GradientAccumulationScheduler,
    Timer,
)
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric, Metric, MetricCollection, MinMetric
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError
from typing_extensions import override

from tests.unit.small_training import Network


class Averaged(Network):
    """Logs averages of an epoch, a value of its first batch only, and in its own hooks."""

    @override
    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # type: ignore[override]
        loss = self.loss(batch)
        self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("most", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("sum", loss, on_step=False, on_epoch=True, reduce_fx=torch.sum)
        if batch_idx == 0:
            self.log("first", loss, on_step=True, on_epoch=True)
        return loss

    @override
    def on_train_start(self) -> None:
        self.log("start", 1.0)

    @override
    def on_train_epoch_end(self) -> None:
        self.log("drawn", torch.rand(()))

    @override
    def on_validation_epoch_end(self) -> None:
        self.log("drawn_in_validation", torch.rand(()))


class Measured(Network):
    """torchmetrics as objects, alone and in a collection whose members share a state."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.least = MeanMetric(), MinMetric()
        errors: dict[str, Metric | MetricCollection] = {
            "mse": MeanSquaredError(),
            "mse2": MeanSquaredError(),
            "mae": MeanAbsoluteError(),
        }
        self.errors = MetricCollection(errors)

    @override
    def training_step(self, batch: Tensor) -> Tensor:
        loss = self.loss(batch)
        self.mean.update(loss.detach())
        self.least.update(loss.detach())
        self.errors.update(self.layers(batch).squeeze(1), batch.sum(1))
        self.log("mean", self.mean, on_step=False, on_epoch=True)
        self.log("least", self.least, on_step=True, on_epoch=True)
        self.log_dict(self.errors, on_step=False, on_epoch=True)
        return loss


class Collecting(Network):
    """Collects its outputs in a list, and counts: in no state_dict."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []
        self.most: dict[str, float] = {}
        self.steps = 0

    @override
    def training_step(self, batch: Tensor) -> Tensor:
        loss = super().training_step(batch)
        self.outputs.append(loss.detach())
        self.steps += 1
        self.most["loss"] = max(self.most.get("loss", 0.0), float(loss.detach()))
        return loss

    @override
    def on_train_epoch_end(self) -> None:
        self.log("mean", torch.stack(self.outputs).mean())
        self.log("steps", float(self.steps))
        self.log("most", self.most["loss"])
        self.outputs.clear()


class Tuned(Network):
    """Its first layer is frozen in the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = self.layers[0]

    @override
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.Adam(self.layers[2].parameters(), lr=0.05)


class OwnAverage(Network):
    """An average of the weights, kept up in the module's own hook, which runs after callbacks'."""

    def __init__(self) -> None:
        super().__init__()
        self.average = nn.Linear(3, 8)
        self.average.load_state_dict(self.layers[0].state_dict())

    @override
    def on_train_batch_end(self, *_: object, **__: object) -> None:
        with torch.no_grad():
            for mean, weight in zip(
                self.average.parameters(), self.layers[0].parameters(), strict=True
            ):
                mean.lerp_(weight + 0.001 * torch.rand_like(weight), 0.1)


class OwnAccumulation(Network):
    """Steps every third batch by itself."""

    every = 3

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    @override
    def training_step(self, batch: Tensor, batch_idx: int) -> None:  # type: ignore[override]
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        loss = self.loss(batch)
        self.log("train_loss", loss)
        self.manual_backward(loss)
        if (batch_idx + 1) % self.every == 0:
            optimizer.step()
            optimizer.zero_grad()

    @override
    def configure_optimizers(self) -> Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


class NeverInStep(OwnAccumulation):
    """Leaves gradients to be added to over an epoch's end."""

    every = 4


class TwoOptimizers(Network):
    """The second one joins when the first has made five steps."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    @override
    def training_step(self, batch: Tensor) -> None:  # type: ignore[override]
        first, second = cast("list[Any]", self.optimizers())
        self._descend(first, batch)
        if self.trainer.global_step > 5:
            self._descend(second, batch)

    def _descend(self, optimizer: Any, batch: Tensor) -> None:  # noqa: ANN401 - Lightning's wrapper
        loss = self.loss(batch)
        self.log("train_loss", loss)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    @override
    def configure_optimizers(self) -> list[Optimizer]:
        return [
            torch.optim.Adam(self.layers[0].parameters(), lr=0.05),
            torch.optim.SGD(self.layers[2].parameters(), lr=0.05, momentum=0.9),
        ]


class Plateau(Network):
    interval = "epoch"

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.Adam(self.parameters(), lr=0.05)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1.0)
        config = {"scheduler": schedule, "monitor": "val_loss", "interval": self.interval}
        found: Any = {"optimizer": optimizer, "lr_scheduler": {**config, "strict": False}}
        return cast("OptimizerLRScheduler", found)


class PlateauByStep(Plateau):
    interval = "step"


class StepRows(Network):
    """A validation that logs its batches one by one."""

    @override
    def validation_step(self, batch: Tensor) -> None:
        self.log("val_loss", self.loss(batch), on_step=True, on_epoch=True)
        self.log("val_drawn", torch.rand(()))


@dataclass(frozen=True)
class Variant:
    make: Callable[[], LightningModule] = Network
    options: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list[Callback]] = list


def stops(patience: int = 0, **more: Any) -> Callable[[], list[Callback]]:  # noqa: ANN401 - its own
    return lambda: [EarlyStopping("val_loss", patience=patience, min_delta=0.3, **more)]


VARIANTS = {
    "plain": Variant(),
    "sanity check": Variant(options={"num_sanity_val_steps": 2}),
    "accumulate": Variant(options={"accumulate_grad_batches": 2}),
    "accumulate more and more": Variant(
        callbacks=lambda: [GradientAccumulationScheduler({0: 1, 1: 2, 2: 3})]
    ),
    "accumulate and validate between": Variant(
        options={"accumulate_grad_batches": 2, "val_check_interval": 1}
    ),
    "own accumulation": Variant(OwnAccumulation),
    "own accumulation over epochs": Variant(NeverInStep),
    "own accumulation over epochs, no validation": Variant(NeverInStep, {"limit_val_batches": 0}),
    "own accumulation, validated between": Variant(NeverInStep, {"val_check_interval": 2}),
    "two optimizers": Variant(TwoOptimizers),
    "own average": Variant(OwnAverage),
    "own outputs": Variant(Collecting),
    "unfrozen later": Variant(
        Tuned, callbacks=lambda: [BackboneFinetuning(unfreeze_backbone_at_epoch=1)]
    ),
    "averaged weights": Variant(callbacks=lambda: [EMAWeightAveraging(decay=0.5)]),
    "averages of an epoch": Variant(Averaged),
    "averages of an epoch, rarely logged": Variant(Averaged, {"log_every_n_steps": 3}),
    "averages of an epoch, validated between": Variant(Averaged, {"val_check_interval": 2}),
    "torchmetrics": Variant(Measured),
    "validation in mid-epoch": Variant(StepRows, {"val_check_interval": 2}),
    "validation every 2 epochs": Variant(options={"check_val_every_n_epoch": 2}),
    "validation by batches of all epochs": Variant(
        options={"check_val_every_n_epoch": None, "val_check_interval": 3}
    ),
    "no validation": Variant(options={"limit_val_batches": 0}),
    "max_steps in mid-epoch": Variant(options={"max_epochs": -1, "max_steps": 7}),
    "max_steps at an epoch's end": Variant(options={"max_epochs": -1, "max_steps": 10}),
    "part of the batches": Variant(options={"limit_train_batches": 3}),
    "early stop": Variant(callbacks=stops(), options={"max_epochs": 9}),
    "early stop in mid-epoch": Variant(
        callbacks=stops(2), options={"max_epochs": 9, "val_check_interval": 2}
    ),
    "early stop not before its time": Variant(
        callbacks=stops(), options={"max_epochs": 9, "min_epochs": 3}
    ),
    "plateau by epoch": Variant(Plateau),
    "plateau by epoch, early stop": Variant(Plateau, {"max_epochs": 9}, stops(1)),
    "plateau by step": Variant(PlateauByStep, {"val_check_interval": 2}),
    "timer": Variant(callbacks=lambda: [Timer("00:01:00:00")]),
}
