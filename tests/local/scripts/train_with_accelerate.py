"""A loop as people write it with accelerate, with its automatic names of checkpoints."""

import os
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, ProjectConfiguration
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# For a test: the last process hangs at the beginning of this epoch.
HANGS_AT = int(os.environ.get("HANGS_AT", "-1"))


class Progress:
    epochs = 0

    def state_dict(self) -> dict[str, int]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epochs = state["epochs"]


def main() -> None:
    project = ProjectConfiguration("out", automatic_checkpoint_naming=True, total_limit=2)
    # Else the order of shuffled data is in no checkpoint of accelerate.
    loading = DataLoaderConfiguration(use_seedable_sampler=True)
    accelerator = Accelerator(cpu=True, project_config=project, dataloader_config=loading)
    torch.manual_seed(7)
    inputs = torch.randn(64, 4)
    data = DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True).sin()), 8, shuffle=True)
    model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model, optimizer, data = accelerator.prepare(model, optimizer, data)
    progress = Progress()
    accelerator.register_for_checkpointing(progress)
    if any(Path("out/checkpoints").glob("checkpoint_*")):
        accelerator.load_state()
        # accelerate counts from 0 again, and would refuse the name that is there.
        accelerator.project_configuration.iteration = progress.epochs
    print(f"begins at epoch {progress.epochs}", flush=True)  # noqa: T201 - a script speaks
    for epoch in range(progress.epochs, 4):
        if epoch == HANGS_AT and accelerator.is_last_process:
            time.sleep(3600)
        data.set_epoch(epoch)
        for x, y in data:
            accelerator.backward(nn.functional.mse_loss(model(x), y))
            optimizer.step()
            optimizer.zero_grad()
        progress.epochs = epoch + 1
        accelerator.save_state()
    if accelerator.is_main_process:
        torch.save(accelerator.unwrap_model(model).state_dict(), "model.pt")
    accelerator.end_training()


if __name__ == "__main__":
    main()
