"""A training as people write it for Hugging Face's Trainer; nothing of this project is in it."""

import os
import time

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import HfArgumentParser, Trainer, TrainingArguments

# For a test: the last process hangs before it takes this one of its samples, and with it all.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))
IS_LAST = int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1


class Lines(Dataset[dict[str, torch.Tensor]]):
    taken = 0

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self.taken == HANGS_AT and IS_LAST:
            time.sleep(3600)
        self.taken += 1
        x = torch.tensor([index / 64, 1.0])
        return {"x": x, "labels": x.sum()}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.layers(x).squeeze(-1)
        return {"loss": (out - labels).pow(2).mean(), "logits": out}


def main() -> None:
    (arguments,) = HfArgumentParser((TrainingArguments,)).parse_args_into_dataclasses()  # type: ignore[arg-type]  # of transformers
    torch.manual_seed(arguments.seed)
    trainer = Trainer(model=Model(), args=arguments, train_dataset=Lines())
    trainer.train(resume_from_checkpoint=arguments.resume_from_checkpoint)
    trainer.save_model()


if __name__ == "__main__":
    main()
