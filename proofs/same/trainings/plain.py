"""Plain PyTorch loops."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, TensorDataset

from resilient_training import ResumableLoader, resilient

if TYPE_CHECKING:
    from collections.abc import Callable

SEED, BATCH, EPOCHS = 7, 4, 3
INPUTS = torch.randn(45, 4, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(INPUTS, INPUTS.sum(1, keepdim=True).sin())
PER_EPOCH = -(-len(DATA) // BATCH)


class Average(nn.Module):
    def __init__(self, of: nn.Module) -> None:
        super().__init__()
        self.layers = copy.deepcopy(of)

    @torch.no_grad()
    def blend(self, of: nn.Module) -> None:
        for mean, now in zip(self.layers.parameters(), of.parameters(), strict=True):
            mean.lerp_(now, 0.1)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.3), nn.Linear(16, 1))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # of torch
    optimizer.step()


def loop(
    more: Callable[[nn.Module, torch.optim.Optimizer], dict[str, Any]] = lambda _m, _o: {},
    after: Callable[[dict[str, Any], nn.Module, float], None] = lambda _parts, _model, _loss: None,
    step_with: Callable[[dict[str, Any], torch.optim.Optimizer, Tensor], None] | None = None,
    rows: Callable[[float, int], dict[str, Any]] = lambda loss, _step: {"loss": loss},
    metric: bool = False,
    **block: Any,
) -> None:
    """The loop of examples/plain.py with room for what people add."""
    with resilient("same", every_n_steps=5, every_minutes=0, **block) as attempt:
        torch.manual_seed(SEED)
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        parts = more(model, optimizer)
        loader = DataLoader(DATA, batch_size=BATCH, shuffle=True)
        data = ResumableLoader(loader, seed=attempt.data_seed(SEED), notices=attempt.notices)
        step = attempt.resume(model=model, optimizer=optimizer, data=data, **parts)
        while data.epoch < EPOCHS:
            for inputs, wanted in data:
                loss = nn.functional.mse_loss(model(inputs), wanted)
                if step_with is None:
                    _step(optimizer, loss)
                else:
                    step_with(parts, optimizer, loss)
                after(parts, model, loss.item())
                step += 1
                attempt.log(rows(loss.item(), step), step)
                ends = data.ends_epoch
                given = {"metric": measured(model, step)} if metric and ends else {}
                attempt.after_step(step, data.epoch, epoch_ends=ends, loss=loss.item(), **given)
        torch.save(model.state_dict(), "model.pt")


def measured(_model: nn.Module, step: int) -> Any:
    from resilient_training.checkpoints.metadata import Metric

    # Best in the first epoch: a resume that forgets it gives the alias to another.
    return Metric("val_loss", float(step))


def plain() -> None:
    loop()


def schedule() -> None:
    loop(
        lambda _model, optimizer: {"schedule": schedules.StepLR(optimizer, 5, 0.7)},
        lambda parts, _model, _loss: parts["schedule"].step(),
    )


def plateau() -> None:
    loop(
        lambda _m, optimizer: {"schedule": schedules.ReduceLROnPlateau(optimizer, patience=2)},
        lambda parts, _model, loss: parts["schedule"].step(loss),
    )


def ema() -> None:
    loop(
        lambda model, _optimizer: {"average": Average(model)},
        lambda parts, model, _loss: parts["average"].blend(model),
    )


def grad_scaler() -> None:
    def step(parts: dict[str, Any], optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        parts["scaler"].scale(loss).backward()
        parts["scaler"].step(optimizer)
        parts["scaler"].update()

    loop(lambda _m, _o: {"scaler": torch.amp.GradScaler("cpu", growth_interval=4)}, step_with=step)


def several_metrics() -> None:
    loop(rows=lambda loss, step: {"loss": loss, "deep": {"twice": 2 * loss}, "step_seen": step})


def tensors_logged() -> None:
    loop(rows=lambda loss, _step: {"loss": torch.tensor(loss)})


def best() -> None:
    loop(metric=True)


def own_loader() -> None:
    """The loader that everybody has: shuffled, and begun anew after a resume."""
    with resilient("same", every_n_steps=5, every_minutes=0) as attempt:
        torch.manual_seed(SEED)
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        step = attempt.resume(model=model, optimizer=optimizer)
        while step < EPOCHS * PER_EPOCH:
            for inputs, wanted in DataLoader(DATA, batch_size=BATCH, shuffle=True):
                loss = nn.functional.mse_loss(model(inputs), wanted)
                _step(optimizer, loss)
                step += 1
                attempt.log({"loss": loss.item()}, step)
                attempt.after_step(step, step // PER_EPOCH, epoch_ends=step % PER_EPOCH == 0)
                if step == EPOCHS * PER_EPOCH:
                    break
        torch.save(model.state_dict(), "model.pt")


def object_in_a_part() -> None:
    class Holder:
        def state_dict(self) -> dict[str, Any]:
            return {"network": network()}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            assert state

    loop(lambda _model, _optimizer: {"holder": Holder()})


def compiled() -> None:
    loop(lambda model, _optimizer: {"compiled": torch.compile(model, backend="eager")})
