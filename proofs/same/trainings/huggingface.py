"""Hugging Face's Trainer, PEFT and TRL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from transformers import (
    EarlyStoppingCallback,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from resilient_training import resilient

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED, BATCH, EPOCHS = 7, 4, 3
TOKENS = torch.randint(0, 32, (45, 12), generator=torch.Generator().manual_seed(0))


class Sentences(Dataset[dict[str, Tensor]]):
    def __init__(self, count: int = 45) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": TOKENS[index], "labels": TOKENS[index]}


def model() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    )


def train(
    network: Any = None, data: Any = None, callbacks: Any = (), more: Any = None, **options: Any
) -> None:
    with resilient("same", every_n_steps=5, every_minutes=0) as attempt:
        set_seed(SEED)
        arguments = TrainingArguments(
            **{
                "output_dir": "outputs/trainer",
                "num_train_epochs": EPOCHS,
                "per_device_train_batch_size": BATCH,
                "seed": SEED,
                "logging_steps": 1,
                "report_to": "none",
                "use_cpu": True,
                "disable_tqdm": True,
                **options,
            }
        )
        trainer = Trainer(
            (network or model)(),
            arguments,
            train_dataset=data or Sentences(),
            eval_dataset=Sentences(8),
            callbacks=list(callbacks),
            **more or {},
        )
        attempt.train(trainer)
        torch.save(_weights(trainer.model), "model.pt")


def _weights(trained: Any) -> dict[str, Tensor]:
    return dict(trained.state_dict())


def plain() -> None:
    train()


def accumulate() -> None:
    train(gradient_accumulation_steps=2)


def evaluated() -> None:
    train(eval_strategy="epoch")


def evaluated_by_steps() -> None:
    train(eval_strategy="steps", eval_steps=4)


def early_stopping() -> None:
    stop = EarlyStoppingCallback(early_stopping_patience=1, early_stopping_threshold=9)
    train(
        callbacks=[stop],
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        num_train_epochs=5,
    )


def early_stopping_without_best() -> None:
    stop = EarlyStoppingCallback(early_stopping_patience=1, early_stopping_threshold=9)
    train(
        callbacks=[stop],
        eval_strategy="epoch",
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        num_train_epochs=5,
    )


def plateau() -> None:
    train(
        eval_strategy="epoch",
        lr_scheduler_type="reduce_lr_on_plateau",
        lr_scheduler_kwargs={"patience": 0, "threshold": 0.5},
        metric_for_best_model="eval_loss",
        learning_rate=0.01,
    )


def best_at_the_end() -> None:
    train(
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        learning_rate=0.1,
    )


def saved_by_itself_too() -> None:
    train(save_strategy="steps", save_steps=3)


def save_only_model() -> None:
    train(save_only_model=True)


def bf16() -> None:
    train(bf16=True)


def workers() -> None:
    train(dataloader_num_workers=2)


class _Ragged(Sentences):
    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = TOKENS[index][: 4 + index % 8]
        return {"input_ids": row, "labels": row}


def _padded(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    longest = max(len(one["input_ids"]) for one in samples)
    rows = [
        torch.nn.functional.pad(one["input_ids"], (0, longest - len(one["input_ids"])))
        for one in samples
    ]
    return {"input_ids": torch.stack(rows), "labels": torch.stack(rows)}


def grouped_by_length() -> None:
    more = {"data_collator": _padded}
    train(data=_Ragged(), more=more, train_sampling_strategy="group_by_length")


def _masked(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    ids = torch.stack([one["input_ids"] for one in samples])
    masked = torch.where(torch.rand(ids.shape) < 0.2, torch.zeros_like(ids), ids)
    return {"input_ids": masked, "labels": ids}


def masking_collator() -> None:
    train(more={"data_collator": _masked})


class _Augmented(Sentences):
    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = TOKENS[index].roll(int(torch.randint(0, 12, ())))
        return {"input_ids": row, "labels": row}


def augmented() -> None:
    train(data=_Augmented())


class _Stream(IterableDataset[dict[str, Tensor]]):
    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for row in TOKENS:
            yield {"input_ids": row, "labels": row}


def stream() -> None:
    train(data=_Stream(), max_steps=30)


def report_to_wandb() -> None:
    train(report_to="wandb")


def callback_with_a_state() -> None:
    train(eval_strategy="epoch", lr_scheduler_type="cosine", warmup_steps=5, learning_rate=0.01)


def _adapted(*names: str) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    adapted = get_peft_model(model(), config, adapter_name=names[0])
    for name in names[1:]:
        adapted.add_adapter(name, config)
    return adapted


def lora() -> None:
    train(lambda: _adapted("default"), learning_rate=0.01)


def lora_with_a_name() -> None:
    train(lambda: _adapted("policy"), learning_rate=0.01)


def two_adapters() -> None:
    train(lambda: _adapted("policy", "reference"), learning_rate=0.01)


def sft() -> None:
    import datasets
    from trl import SFTConfig, SFTTrainer

    rows = datasets.Dataset.from_dict({"input_ids": TOKENS.tolist()})
    with resilient("same", every_n_steps=5, every_minutes=0) as attempt:
        set_seed(SEED)
        arguments = SFTConfig(
            output_dir="outputs/trainer",
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            seed=SEED,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            max_length=None,
            bf16=False,
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        trainer = SFTTrainer(
            model(),
            arguments,
            train_dataset=rows,
            data_collator=_pairs,
            processing_class=_Words(),
        )
        attempt.train(trainer)
        torch.save(_weights(trainer.model), "model.pt")


def _pairs(samples: list[dict[str, Any]]) -> dict[str, Tensor]:
    ids = torch.tensor([one["input_ids"] for one in samples])
    return {"input_ids": ids, "labels": ids, "attention_mask": torch.ones_like(ids)}


def _Words() -> Any:  # noqa: N802 - stands for a class
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({str(number): number for number in range(32)}, "0"))
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=words, pad_token="0", eos_token="1")  # noqa: S106
