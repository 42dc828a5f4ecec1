"""Under Hugging Face's Trainer, which skips by itself and makes the loader anew to do so."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, get_worker_info
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from typing_extensions import override

from resilient_training.data.loaders import exact
from tests.unit.small_loaders import drawn

Row = dict[str, Any]


class Sentences(Dataset[Row]):
    def __len__(self) -> int:
        return 22

    def __getitem__(self, index: int) -> Row:
        if index >= len(self):
            raise IndexError
        return {"input_ids": [float(index)] * (index % 5 + 1)}


class Augmented(Sentences):
    def __getitem__(self, index: int) -> Row:
        return {"input_ids": drawn(index).tolist()}


class Short(IterableDataset[Row]):
    """Nine rows, or as many of each of two workers."""

    def __iter__(self) -> Iterator[Row]:
        worker = get_worker_info()
        for number in range(9 if worker is None else 8):
            yield {"input_ids": drawn(number + 100 * (worker.id if worker else 0)).tolist()}


def masked(rows: list[Row]) -> dict[str, Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    tokens = torch.tensor(
        [row["input_ids"] + [0.0] * (longest - len(row["input_ids"])) for row in rows]
    )
    return {"input_ids": tokens.masked_fill(torch.rand(tokens.shape) < 0.3, random.random())}  # noqa: S311


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[Any] = []

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        self.seen.append(input_ids.tolist())
        return {"loss": self.layer(input_ids.mean().reshape(1, 1)).sum()}


class StopAt(TrainerCallback):
    def __init__(self, step: int | None) -> None:
        self.step = step

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        control.should_training_stop |= state.global_step == self.step


CASES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "shuffled": (Augmented, {"num_train_epochs": 2}),
    "accumulated": (Augmented, {"num_train_epochs": 2, "gradient_accumulation_steps": 3}),
    "by length": (
        Sentences,
        {"num_train_epochs": 2, "train_sampling_strategy": "group_by_length"},
    ),
    "rebalanced": (
        Sentences,
        {"num_train_epochs": 2, "train_sampling_strategy": "batch_rebalance"},
    ),
    "a stream that is shorter": (Short, {"max_steps": 13}),
}


def train(
    data: Callable[[], Any],
    folder: Path,
    *,
    stop: int | None = None,
    resume: int = 0,
    **options: Any,  # noqa: ANN401 - TrainingArguments' own
) -> list[Any]:
    """What each batch was; a resume is of checkpoint number `resume`."""
    model = Network()
    arguments = TrainingArguments(
        str(folder),
        per_device_train_batch_size=2,
        save_strategy="steps",
        save_steps=stop or 1000,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
        **options,
    )
    trainer = Trainer(
        model, arguments, train_dataset=data(), data_collator=masked, callbacks=[StopAt(stop)]
    )
    make = trainer.get_train_dataloader
    skipped = resume * arguments.gradient_accumulation_steps
    vars(trainer)["get_train_dataloader"] = lambda: exact(make(), seed=9, skipped=skipped)
    checkpoint = str(folder / f"checkpoint-{resume}") if resume else None
    trainer.train(resume_from_checkpoint=checkpoint)
    return model.seen


@pytest.mark.parametrize(
    ("name", "step", "workers"),
    [*((name, 5, 0) for name in CASES), ("a stream that is shorter", 11, 0), ("shuffled", 13, 2)],
)
def test_a_resume_sees_the_batches_of_an_unbroken_training(
    name: str, step: int, workers: int, tmp_path: Path
) -> None:
    data, options = CASES[name]
    options = {**options, "dataloader_num_workers": workers}
    before = train(data, tmp_path, stop=step, **options)
    after = train(data, tmp_path, resume=step, **options)
    assert before + after == train(data, tmp_path, **options)
