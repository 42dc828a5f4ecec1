"""A training as people write it for Hugging Face's Trainer; nothing of this project is in it."""

import hashlib
import os
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import HfArgumentParser, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState


@dataclass
class Pace:
    seconds_per_step: float = 0.0


class Lines(Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 256

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        x = torch.tensor([index / 256, 1.0])
        return {"x": x, "labels": x.sum()}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 64), nn.Dropout(0.2), nn.Linear(64, 1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.layers(x).squeeze(-1)
        return {"loss": (out - labels).pow(2).mean(), "logits": out}


class Steps(TrainerCallback):
    """Says each step, and takes its time for it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - as Trainer calls it
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the same
        **kwargs: object,  # noqa: ARG002 - the same
    ) -> None:
        time.sleep(self.pace.seconds_per_step)
        print(f"step {state.global_step} of {state.max_steps}", flush=True)


def main() -> None:
    # One process of Trainer is one thread's work here; two on two cores do not fight.
    torch.set_num_threads(1)
    parser = HfArgumentParser((TrainingArguments, Pace))  # type: ignore[arg-type]  # of transformers
    arguments, pace = parser.parse_args_into_dataclasses()
    torch.manual_seed(arguments.seed)
    model = Model()
    trainer = Trainer(model=model, args=arguments, train_dataset=Lines(), callbacks=[Steps(pace)])
    trainer.train(resume_from_checkpoint=arguments.resume_from_checkpoint)
    trainer.save_model(os.environ.get("SM_MODEL_DIR", arguments.output_dir))
    if trainer.is_world_process_zero():
        print(f"weights {digest(model)}", flush=True)


def digest(model: nn.Module) -> str:
    whole = hashlib.sha256()
    for tensor in model.state_dict().values():
        whole.update(tensor.cpu().numpy().tobytes())
    return whole.hexdigest()


if __name__ == "__main__":
    main()
