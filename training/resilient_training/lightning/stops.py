"""A stop, and a save that is due, as all processes of a training agree on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from resilient_training.ending import StoppedByUser, Terminated

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from resilient_training.stop_request import StopRequest


@dataclass(frozen=True)
class Asked:
    """What is asked for at a moment: the end by SIGTERM, by a person, a save."""

    terminated: bool = False
    by_user: bool = False
    due: bool = False

    @property
    def stop(self) -> bool:
        return self.terminated or self.by_user

    def ends(self, *, over: bool, validates: bool = False) -> bool:
        """Whether the training ends here.

        Where the last step of all is made (`over`) a stop changes nothing: the end is near. Only
        SIGTERM does not wait for a validation, which may outlast the time until the kill.
        """
        return self.terminated if over and validates else self.stop and not over

    def end_at(self, step: int) -> Exception:
        if self.terminated:
            return Terminated(f"at step {step}")
        return StoppedByUser(f"in W&B, at step {step}")


def asked(trainer: Trainer, stop: StopRequest, *, due: bool) -> Asked:
    """What any process was asked for; whether a save is `due` is for rank 0 to say.

    Clocks and signals differ between processes, and one alone in a save would wait for ever.
    """
    here = (stop.terminated, stop.by_user, due and trainer.is_global_zero)
    if trainer.world_size == 1:
        return Asked(*here)
    flags = torch.tensor(here, dtype=torch.float32, device=trainer.strategy.root_device)
    flags = trainer.strategy.reduce(flags, reduce_op="sum")
    agreed = Asked(*(value > 0 for value in flags.tolist()))
    stop.terminated = agreed.terminated
    return agreed


def any_of(trainer: Trainer, *, here: bool) -> bool:
    """Whether it is so in any of the processes."""
    return bool(trainer.strategy.reduce_boolean_decision(here, all=False))


def validates_alike(trainer: Trainer) -> bool:
    """Whether all processes have the same number of validation batches, each a place to agree."""
    if trainer.world_size == 1:
        return True
    batches = sum(trainer.num_val_batches)
    here = torch.tensor(float(batches), device=trainer.strategy.root_device)
    mean = trainer.strategy.reduce(here.clone(), reduce_op="mean")
    alike = batches != float("inf") and float(mean) == batches
    return bool(trainer.strategy.reduce_boolean_decision(alike, all=True))


def is_over(trainer: Trainer, *, after_epoch: bool = False) -> bool:
    """Whether the last step of all is made; `after_epoch`: also all of its epoch."""
    loop = trainer.fit_loop
    if 0 <= loop.max_steps <= trainer.global_step:
        return True
    if trainer.should_stop and loop._can_stop_early:  # noqa: SLF001 - the loop's own rule
        return True
    if loop.max_epochs is None or loop.max_epochs < 0:
        return False
    done: int = loop.epoch_progress.current.processed  # type: ignore[attr-defined]  # of its subclass
    if not after_epoch:
        done += loop.epoch_loop._num_ready_batches_reached()  # noqa: SLF001 - as above
    return done >= loop.max_epochs
