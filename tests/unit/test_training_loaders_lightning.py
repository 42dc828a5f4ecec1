"""Under Lightning's own loops, which read ahead, cycle, and restore what they are given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typing_extensions import override

from resilient_training import position_of
from resilient_training.data.loaders import exact
from tests.unit.small_loaders import Augmented, Said, Shuffled, Stateful, exactly

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


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[Any] = []

    def training_step(self, batch: Any) -> Tensor:  # noqa: ANN401 - of any loader
        self.seen.append(exactly(batch))
        loss: Tensor = self.layer(torch.rand(1, 1)).sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


class Killed(Exception):  # noqa: N818 - no error of the training
    pass


class SaveAndKill(Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object
    ) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise Killed


def fit(
    make: Callable[[], Any], path: Path, *, kill: int = 0, resume: bool = False
) -> tuple[list[Any], Said]:
    """What each step was given, and what was said."""
    model, said = Network(), Said()
    made: list[Any] = []
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SaveAndKill(kill, path)],
    )

    def process(loader: Any) -> Any:  # noqa: ANN401 - of any kind
        made.append(
            exact(
                loader,
                seed=3,
                position=lambda: position_of(trainer),
                part=len(made),
                notices=said,
            )
        )
        return made[-1]

    vars(trainer.strategy)["process_dataloader"] = process
    if kill:
        with pytest.raises(Killed):
            trainer.fit(model, make())
    else:
        trainer.fit(model, make(), ckpt_path=str(path) if resume else None, weights_only=True)
    return model.seen, said


@pytest.mark.parametrize("name", DATA)
def test_wherever_it_is_killed_each_batch_is_seen_once_and_as_it_would_have_been(
    name: str, tmp_path: Path
) -> None:
    whole, _ = fit(DATA[name], tmp_path / "none")
    for step in range(1, len(whole), 4):
        path = tmp_path / f"{step}.ckpt"
        before, _ = fit(DATA[name], path, kill=step)
        after, said = fit(DATA[name], path, resume=True)
        assert before + after == whole, step
        assert said.lines == []
