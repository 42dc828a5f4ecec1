"""Lightning in two processes of one machine."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from torch import nn

from proofs.same.trainings.network import EPOCHS, EVERY, SEED, Network, held_out, loader, train
from resilient_training import resilient


class _Reduced(Network):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch), sync_dist=True)


def ddp() -> None:
    train(_Reduced, strategy="ddp", devices=2)


def ddp_with_a_module_hook() -> None:
    class Averaging(_Reduced):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(16))

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            mean: Any = self.mean
            bias: Any = self.layers[0].bias
            mean.lerp_(bias.detach(), 0.1)

    train(Averaging, strategy="ddp", devices=2)


def fsdp_full() -> None:
    """FSDP2, one file with the whole state."""

    class Sharded(_Reduced):
        def configure_model(self) -> None:
            from torch.distributed.fsdp import fully_shard

            if not isinstance(self.layers, nn.Sequential):
                return
            mesh: Any = self.device_mesh
            fully_shard(self.layers, mesh=mesh["data_parallel"])

    strategy = ModelParallelStrategy(
        data_parallel_size=2, tensor_parallel_size=1, save_distributed_checkpoint=False
    )
    train_saved_by_lightning(Sharded, strategy)


def fsdp_sharded() -> None:
    """FSDP2, a folder of shards: more than one file."""

    class Sharded(_Reduced):
        def configure_model(self) -> None:
            from torch.distributed.fsdp import fully_shard

            mesh: Any = self.device_mesh
            fully_shard(self.layers, mesh=mesh["data_parallel"])

    train_saved_by_lightning(
        Sharded, ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)
    )


def fsdp_first() -> None:
    """FSDP1, which refuses CPUs itself."""
    train_saved_by_lightning(_Reduced, FSDPStrategy(state_dict_type="sharded"))


def train_saved_by_lightning(model: type[Network], strategy: Any) -> None:
    """The whole state is put together by all: only Lightning knows how."""
    with resilient("same", every_n_steps=EVERY, every_minutes=0, seed=SEED) as attempt:
        torch.manual_seed(SEED)
        network = model()
        trainer = Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            devices=2,
            strategy=strategy,
            log_every_n_steps=1,
            enable_progress_bar=False,
        )
        attempt.fit(trainer, network, loader(), held_out())
