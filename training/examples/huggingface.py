"""A Hugging Face training that survives its machine, and ends as if nothing had happened."""

import logging
import sys
import time

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from resilient_training import resilient

SEED, BATCH, EPOCHS = 7, 8, 3
TOKENS = torch.randint(0, 32, (56, 12), generator=torch.Generator().manual_seed(0))


class Sentences(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return len(TOKENS)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": TOKENS[index], "labels": TOKENS[index]}


class Slow(TrainerCallback):
    def __init__(self, seconds_per_step: float) -> None:
        self.seconds_per_step = seconds_per_step

    def on_step_begin(self, *_: object, **__: object) -> None:
        time.sleep(self.seconds_per_step)


def main(seconds_per_step: float) -> None:
    with resilient("huggingface", every_n_steps=3) as attempt:
        set_seed(SEED)
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2)
        )
        arguments = TrainingArguments(
            "outputs/trainer",
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            seed=SEED,
            logging_steps=1,
            use_cpu=True,
        )
        slow = Slow(seconds_per_step)
        trainer = Trainer(model, arguments, train_dataset=Sentences(), callbacks=[slow])
        attempt.train(trainer)
        torch.save(model.state_dict(), "model.pt")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    main(float(sys.argv[1]) if sys.argv[1:] else 0)
