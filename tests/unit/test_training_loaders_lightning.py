"""Under Lightning's own loops, which read ahead, cycle, and restore what they are given."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resilient_training import SavePlan
from tests.unit.small_loaders import Augmented, Shuffled, Stateful, exactly
from tests.unit.small_training import EachSave, KillAt, Killed, Run, Store, train

# It asks for more workers; of a loader that cannot be resumed it would warn, and fail the test.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")

EPOCHS = 3


def two(mode: Any, first: int, second: int) -> CombinedLoader:  # noqa: ANN401 - Lightning's literal
    sizes = {"first": first, "second": second}
    loaders = {name: DataLoader(Augmented(size), 4, shuffle=True) for name, size in sizes.items()}
    return CombinedLoader(loaders, mode)


DATA: dict[str, Callable[[], Any]] = {
    "own": lambda: DataLoader(Augmented(18), 4, shuffle=True),
    "a stream": lambda: DataLoader(Shuffled(18), 4),
    "its own state": lambda: DataLoader(Stateful(18), 4),
    "no loader": lambda: [torch.full((1,), float(number)) for number in range(4)],
    "max_size_cycle": lambda: two("max_size_cycle", 26, 10),
    "max_size": lambda: two("max_size", 26, 10),
    "min_size": lambda: two("min_size", 26, 17),
    "cycled streams": lambda: CombinedLoader(
        {"a": DataLoader(Shuffled(26), 4), "b": DataLoader(Stateful(10), 4)}, "max_size_cycle"
    ),
}


@dataclass
class Seen:
    """What a model was given; a list of its own would come back with the resume."""

    batches: list[Any] = field(default_factory=list)


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen = Seen()

    def training_step(self, batch: Any) -> Tensor:  # noqa: ANN401 - of any loader
        self.seen.batches.append(exactly(batch))
        loss: Tensor = self.layer(torch.rand(1, 1)).sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


def seen(
    make: Callable[[], Any], plan: SavePlan, store: Store, *breaking: Callback
) -> tuple[list[Any], Run]:
    """What each step was given, and the run that says what will differ."""
    model, run = Network(), Run()
    killed = pytest.raises(Killed) if breaking else nullcontext()
    with killed:
        train(
            plan,
            store,
            *breaking,
            make=lambda: model,
            data=make,
            run=run,
            checkpointer=EachSave,
            max_epochs=EPOCHS,
        )
    return model.seen.batches, run


@pytest.mark.parametrize("name", DATA)
def test_wherever_it_is_killed_each_batch_is_seen_once_and_as_it_would_have_been(
    name: str, tmp_path: Path
) -> None:
    whole, _ = seen(DATA[name], SavePlan(tmp_path / "whole"), Store())
    for batch in range(1, len(whole), 4):
        plan, store = SavePlan(tmp_path / f"{batch}", every_n_steps=1), Store()
        before, _ = seen(DATA[name], plan, store, KillAt(batch))
        after, run = seen(DATA[name], plan, store)
        assert before + after == whole, batch
        assert run.config == {}
