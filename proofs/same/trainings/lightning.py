"""Lightning: hooks, schedules, averages, early ends, loggers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wandb
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    GradientAccumulationScheduler,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
    Timer,
)
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedules

from proofs.same.trainings.network import (
    BATCH,
    EPOCHS,
    EVERY,
    SEED,
    Network,
    held_out,
    loader,
    train,
)
from resilient_training import resilient


def plain() -> None:
    train()


def datamodule() -> None:
    class Data(LightningDataModule):
        def train_dataloader(self) -> Any:
            return loader()

        def val_dataloader(self) -> Any:
            return held_out()

    train(Network, Data())


def loaders_of_the_module() -> None:
    class Whole(Network):
        def train_dataloader(self) -> Any:
            return loader()

        def val_dataloader(self) -> Any:
            return held_out()

    with resilient("same", every_n_steps=EVERY, every_minutes=0, seed=SEED) as attempt:
        torch.manual_seed(SEED)
        model = Whole()
        trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", log_every_n_steps=1)
        attempt.fit(trainer, model)
        torch.save(model.state_dict(), "model.pt")


# Hooks that change the state


class _Averaged(Network):
    def __init__(self) -> None:
        super().__init__()
        self.average = copy.deepcopy(self.layers).requires_grad_(requires_grad=False)

    def blend(self) -> None:
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.layers.parameters(), strict=True):
                mean.lerp_(now, 0.1)


def ema() -> None:
    class Averaging(_Averaged):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.blend()

    train(Averaging)


def ema_before_zero_grad() -> None:
    class Averaging(_Averaged):
        def on_before_zero_grad(self, optimizer: Any) -> None:
            self.blend()

    train(Averaging)


def ema_at_epochs_end() -> None:
    class Averaging(_Averaged):
        def on_train_epoch_end(self) -> None:
            self.blend()

    train(Averaging)


def ema_callback() -> None:
    class Averaging(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            pl_module.blend()

    train(_Averaged, callbacks=[Averaging()])


def ema_of_lightning() -> None:
    train(callbacks=[EMAWeightAveraging(decay=0.9)])


def swa() -> None:
    train(
        callbacks=[StochasticWeightAveraging(swa_lrs=0.02, swa_epoch_start=1, annealing_epochs=1)]
    )


def teacher_in_eval() -> None:
    """BYOL, MoCo: a target network whose output is the target."""

    class Distilled(_Averaged):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            inputs, wanted = batch
            with torch.no_grad():
                target = self.average(inputs)
            out = self.layers(inputs)
            loss = nn.functional.mse_loss(out, wanted) + nn.functional.mse_loss(out, target)
            self.log("loss", loss)
            return loss

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.blend()

    train(Distilled)


def state_of_a_callback() -> None:
    class Counting(Callback):
        def __init__(self) -> None:
            self.seen = 0

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            self.seen += 1
            pl_module.log("seen", float(self.seen))

        def state_dict(self) -> dict[str, Any]:
            return {"seen": self.seen}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.seen = state_dict["seen"]

    train(callbacks=[Counting()])


def state_of_the_module() -> None:
    class Counting(Network):
        seen = 0

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.seen += 1
            self.log("seen", float(self.seen))

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["seen"] = self.seen

        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            self.seen = checkpoint["seen"]

    train(Counting)


def batch_norm() -> None:
    class Normed(Network):
        def __init__(self) -> None:
            super().__init__()
            self.layers.insert(1, nn.BatchNorm1d(16))

    train(Normed, loader(drop_last=True), held_out())


def noise_in_the_step() -> None:
    class Noisy(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            inputs, wanted = batch
            noise = float(np.random.rand()) + torch.randn_like(inputs)  # noqa: NPY002
            return super().training_step((inputs + 0.1 * noise, wanted), batch_idx)

    train(Noisy)


def fine_tuning() -> None:
    class Tuned(Network):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = self.layers[0]
            self.head = self.layers[2]

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.head.parameters(), lr=0.01)

    train(Tuned, callbacks=[BackboneFinetuning(unfreeze_backbone_at_epoch=1, verbose=False)])


# Steps


def accumulate() -> None:
    train(every=2, accumulate_grad_batches=3)


def accumulation_scheduler() -> None:
    train(every=2, callbacks=[GradientAccumulationScheduler({0: 1, 1: 3})])


def clip() -> None:
    train(gradient_clip_val=0.1)


def bf16() -> None:
    train(precision="bf16-mixed")


def max_steps() -> None:
    train(max_epochs=-1, max_steps=31)


def limit_train_batches() -> None:
    train(limit_train_batches=7)


def timer() -> None:
    train(callbacks=[Timer(duration="00:01:00:00")])


class _Manual(Network):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


def manual() -> None:
    class Stepping(_Manual):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            optimizer: Any = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    train(Stepping)


def manual_accumulation() -> None:
    class Accumulating(_Manual):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            optimizer: Any = self.optimizers()
            self.manual_backward(super().training_step(batch, batch_idx) / 3)
            if (batch_idx + 1) % 3 == 0:
                optimizer.step()
                optimizer.zero_grad()

    train(Accumulating, every=2)


class _Adversarial(_Manual):
    late = 0

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        inputs, wanted = batch
        both: Any = self.optimizers()
        first, second = both
        self.toggle_optimizer(first)
        loss = nn.functional.mse_loss(self.layers(inputs), wanted)
        loss = loss - 0.01 * self.critic(self.layers(inputs)).mean()
        first.zero_grad()
        self.manual_backward(loss)
        first.step()
        self.untoggle_optimizer(first)
        self.log("loss", loss)
        if self.trainer.fit_loop.total_batch_idx >= self.late:
            self.toggle_optimizer(second)
            wrong = self.critic(self.layers(inputs).detach()).mean() - self.critic(wanted).mean()
            second.zero_grad()
            self.manual_backward(wrong + self.critic.weight.pow(2).sum())
            second.step()
            self.untoggle_optimizer(second)

    def configure_optimizers(self) -> Any:
        critic = torch.optim.RMSprop(self.critic.parameters(), lr=0.01)
        return [torch.optim.Adam(self.layers.parameters(), lr=0.01), critic]


def two_optimizers() -> None:
    train(_Adversarial, every=6)


def late_optimizer() -> None:
    class Late(_Adversarial):
        late = 7

    train(Late, every=6)


# Schedules


def _scheduled(make: Any, **how: Any) -> type[Network]:
    class Scheduled(Network):
        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make(optimizer), **how}}

    return Scheduled


def step_lr() -> None:
    train(_scheduled(lambda of: schedules.StepLR(of, 1, 0.5)))


def one_cycle() -> None:
    train(_scheduled(lambda of: schedules.OneCycleLR(of, 0.02, total_steps=36), interval="step"))


def lambda_lr() -> None:
    train(_scheduled(lambda of: schedules.LambdaLR(of, lambda epoch: 0.9**epoch)))


def sequential_lr() -> None:
    def both(of: Any) -> Any:
        first = schedules.LinearLR(of, total_iters=9)
        return schedules.SequentialLR(of, [first, schedules.CosineAnnealingLR(of, 27)], [9])

    train(_scheduled(both, interval="step"))


def every_third_step_lr() -> None:
    train(_scheduled(lambda of: schedules.StepLR(of, 2, 0.9), interval="step", frequency=3))


def plateau() -> None:
    def falling(of: Any) -> Any:
        return schedules.ReduceLROnPlateau(of, factor=0.5, patience=0, threshold=0.5)

    train(_scheduled(falling, monitor="val_loss"), callbacks=[LearningRateMonitor()])


def plateau_each_step() -> None:
    def falling(of: Any) -> Any:
        return schedules.ReduceLROnPlateau(of, factor=0.9, patience=1)

    train(_scheduled(falling, monitor="loss", interval="step"))


def plateau_after_mid_epoch_validation() -> None:
    def falling(of: Any) -> Any:
        return schedules.ReduceLROnPlateau(of, factor=0.5, patience=0, threshold=0.5)

    train(_scheduled(falling, monitor="val_loss"), val_check_interval=6)


# Ends and validations


def early_stopping() -> None:
    stop = EarlyStopping("val_loss", patience=1, min_delta=0.2)
    train(max_epochs=6, callbacks=[stop])


def early_stopping_in_training() -> None:
    stop = EarlyStopping("loss_epoch", patience=1, min_delta=1.0, check_on_train_epoch_end=True)

    class Averaged(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

    train(Averaged, max_epochs=6, callbacks=[stop])


def early_stopping_and_plateau() -> None:
    def falling(of: Any) -> Any:
        return schedules.ReduceLROnPlateau(of, factor=0.5, patience=0, threshold=0.5)

    stop = EarlyStopping("val_loss", patience=3, min_delta=0.2)
    train(_scheduled(falling, monitor="val_loss"), max_epochs=6, callbacks=[stop])


def mid_epoch_validation() -> None:
    train(val_check_interval=4)


def mid_epoch_early_stopping() -> None:
    stop = EarlyStopping("val_loss", patience=3, min_delta=0.2)
    train(val_check_interval=0.5, max_epochs=6, callbacks=[stop])


def validation_each_second_epoch() -> None:
    train(check_val_every_n_epoch=2, max_epochs=4)


def validation_by_steps() -> None:
    train(check_val_every_n_epoch=None, val_check_interval=10)


def no_validation() -> None:
    train(Network, loader())


def stops_itself() -> None:
    class Stopping(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            if self.global_step >= 28:
                self.trainer.should_stop = True
            return loss

    train(Stopping)


# What is logged


def average_of_the_epoch() -> None:
    class Averaged(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

    train(Averaged)


def sum_of_the_epoch() -> None:
    class Summed(Network):
        def __init__(self) -> None:
            super().__init__()
            self.outputs: list[Tensor] = []

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.outputs.append(loss.detach())
            return loss

        def on_train_epoch_end(self) -> None:
            self.log("mean", torch.stack(self.outputs).mean())
            self.outputs.clear()

    train(Summed)


def own_checkpoints() -> None:
    best = ModelCheckpoint("best", monitor="val_loss", save_top_k=1)
    with resilient("same", every_n_steps=EVERY, every_minutes=0, seed=SEED) as attempt:
        torch.manual_seed(SEED)
        model = Network()
        trainer = Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            callbacks=[best],
            log_every_n_steps=1,
            enable_progress_bar=False,
        )
        attempt.fit(trainer, model, loader(), held_out())
        trainer.test(model, held_out(), ckpt_path="best")
        torch.save(model.state_dict(), "model.pt")


def own_checkpoints_by_steps() -> None:
    saving = ModelCheckpoint("mine", every_n_train_steps=3, save_top_k=-1, save_last=True)
    train(callbacks=[saving])


def own_loggers() -> None:
    train(logger=[WandbLogger(project="same"), CSVLogger("csv")])


def no_logger() -> None:
    train(logger=False)


def wandb_log_beside() -> None:
    class Beside(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            wandb.log({"twice": 2 * loss.item()})
            wandb.log({"thrice": 3 * loss.item()})
            return loss

    train(Beside)


def media() -> None:
    class Showing(Network):
        def on_train_epoch_end(self) -> None:
            picture = np.zeros((4, 4, 3), dtype=np.uint8)
            for logger in self.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_image("picture", [picture], step=self.global_step)
                    logger.log_table("table", columns=["a"], data=[[1]], step=self.global_step)

    train(Showing)


def numpy_scalar() -> None:
    class Scalar(Network):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            for logger in self.loggers:
                logger.log_metrics({"numpy": np.float32(loss.item())}, step=self.global_step)  # type: ignore[dict-item]
            return loss

    train(Scalar)


def two_fits() -> None:
    """Not one training: what belongs to which is nobody's to know."""
    with resilient("same", every_n_steps=EVERY, every_minutes=0, seed=SEED) as attempt:
        torch.manual_seed(SEED)
        model: LightningModule = Network()
        for _ in range(2):
            trainer = Trainer(max_epochs=1, accelerator="cpu", log_every_n_steps=1)
            attempt.fit(trainer, model, loader(batch_size=BATCH), held_out())
        torch.save(model.state_dict(), Path("model.pt"))
