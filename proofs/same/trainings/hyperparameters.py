"""Lightning: what people give to `save_hyperparameters`, to optimizers and to schedulers."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import omegaconf
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from proofs.same.trainings.network import Network, train

if TYPE_CHECKING:
    from collections.abc import Callable


class Colour(Enum):
    RED = 1


@dataclass
class Settings:
    width: int = 16


KINDS: dict[str, Any] = {
    "path": Path("data"),
    "enum": Colour.RED,
    "numpy_number": np.float64(0.5),
    "numpy_array": np.zeros(3),
    "dataclass": Settings(),
    "module": nn.Linear(1, 1),
    "namespace": Namespace(width=16),
    "partial": partial(max, 1),
    "omegaconf": omegaconf.OmegaConf.create({"width": 16}),
    "type": nn.ReLU,
    "set": {1, 2},
    "tensor": torch.zeros(2),
    "dtype": torch.float32,
    "dict": {"width": 16, "deep": [1, 2.0, "three", None]},
}


def of(kind: str) -> Callable[[], None]:
    class Given(Network):
        def __init__(self, given: Any = KINDS[kind]) -> None:
            super().__init__()
            self.save_hyperparameters()

    return lambda: train(Given)


def numpy_learning_rate() -> None:
    class Rated(Network):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=np.float64(0.01))

    train(Rated)


def numpy_in_a_scheduler() -> None:
    class Scheduled(Network):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
            return [optimizer], [StepLR(optimizer, 1, gamma=np.float64(0.5))]

    train(Scheduled)
