"""Kinds of Hugging Face trainings, each as what it needs beyond a small one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import IterableDataset, Sampler
from transformers import EarlyStoppingCallback, Trainer

from tests.unit.small_hugging_face import SIZE, TOKENS, Sentences

Batch = dict[str, Tensor]
EVALUATED = {"eval_strategy": "epoch", "metric_for_best_model": "loss"}


class Augmented(Sentences):
    """Draws while it reads."""

    def __getitem__(self, index: int) -> Batch:
        noise = torch.randint(0, 32, (2,))
        return {
            "input_ids": torch.cat([TOKENS[index], noise]),
            "labels": torch.cat([TOKENS[index], noise]),
        }


class Lengths(Sentences):
    def __getitem__(self, index: int) -> Batch:
        tokens = TOKENS[index][: 3 + index % 5]
        return {"input_ids": tokens, "labels": tokens}


class Stream(IterableDataset[Batch]):
    """Of 18 samples, which is 5 batches: fewer than the training has steps."""

    def __iter__(self) -> Iterator[Batch]:
        yield from (Sentences()[index] for index in range(18))


class Drawing(Sampler[int]):
    """Draws from a generator of its own, which no seed of the training reaches."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def __len__(self) -> int:
        return SIZE

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(SIZE, generator=self.generator).tolist())


class OwnSampler(Trainer):
    def _get_train_sampler(self, train_dataset: object = None) -> Sampler[int]:
        del train_dataset
        return Drawing()


def masked(samples: list[Batch]) -> Batch:
    tokens = torch.stack([sample["input_ids"] for sample in samples])
    return {"input_ids": torch.where(torch.rand(tokens.shape) < 0.3, 0, tokens), "labels": tokens}


def padded(samples: list[Batch]) -> Batch:
    tokens = [sample["input_ids"] for sample in samples]
    labels = pad_sequence(tokens, batch_first=True, padding_value=-100)
    return {"input_ids": pad_sequence(tokens, batch_first=True), "labels": labels}


@dataclass(frozen=True)
class Variant:
    name: str
    arguments: dict[str, Any]
    options: Callable[[], dict[str, Any]] = dict
    every_n_steps: int = 3
    kind: type[Trainer] = Trainer


def _with(**made: Any) -> Callable[[], dict[str, Any]]:  # noqa: ANN401 - Trainer's own
    return lambda: dict(made)


def _stopping_early() -> dict[str, Any]:
    return {"eval_dataset": Sentences(), "callbacks": [EarlyStoppingCallback(2, 0.5)]}


VARIANTS = (
    Variant("base", {}),
    Variant("rows that are means", {"logging_steps": 4}),
    Variant(
        "accumulation", {"gradient_accumulation_steps": 2, "logging_steps": 2}, every_n_steps=1
    ),
    Variant(
        "evaluation by epochs, rows too",
        {**EVALUATED, "logging_strategy": "epoch"},
        _with(eval_dataset=Sentences()),
    ),
    Variant(
        "early stopping, saved by steps",
        {**EVALUATED, "eval_strategy": "steps", "eval_steps": 3, "num_train_epochs": 9},
        _stopping_early,
        every_n_steps=2,
    ),
    Variant(
        "plateau",
        {
            **EVALUATED,
            "eval_strategy": "steps",
            "eval_steps": 2,
            "lr_scheduler_type": "reduce_lr_on_plateau",
            "lr_scheduler_kwargs": {"patience": 0, "threshold": 0.5},
        },
        _with(eval_dataset=Sentences(), data_collator=masked),
    ),
    Variant("masking collator", {}, _with(data_collator=masked)),
    Variant("samples that are augmented", {}, _with(train_dataset=Augmented())),
    Variant(
        "group by length, without the last",
        {"train_sampling_strategy": "group_by_length", "dataloader_drop_last": True},
        _with(train_dataset=Lengths(), data_collator=padded),
    ),
    Variant(
        "workers",
        {"dataloader_num_workers": 1, "num_train_epochs": 2},
        _with(train_dataset=Augmented()),
    ),
    Variant("stream that is shorter", {"max_steps": 13}, _with(train_dataset=Stream())),
    Variant(
        "stream that is shorter, accumulated",
        {"max_steps": 8, "gradient_accumulation_steps": 2},
        _with(train_dataset=Stream()),
        every_n_steps=1,
    ),
    Variant(
        "steps that end within an epoch",
        {"max_steps": 10, "eval_on_start": True, **EVALUATED},
        _with(eval_dataset=Sentences()),
    ),
    Variant(
        "Trainer saves by steps of its own",
        {"save_strategy": "steps", "save_steps": 2},
        every_n_steps=0,
    ),
    Variant("sampler of its own", {}, kind=OwnSampler),
    Variant("bf16", {"bf16": True}),
)
