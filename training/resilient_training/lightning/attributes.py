"""Attributes that change while a model trains, and that no `state_dict` holds.

Outputs of an epoch that are collected in a list, a counter of one's own: Lightning's checkpoint
lacks them, and a resumed training would begin without them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric

from resilient_training.lightning.averages import apart
from resilient_training.lightning.callbacks import callbacks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lightning.pytorch import Trainer

    from resilient_training.notices import Notices

# Code is no state: wrappers such as DDP put a method of theirs in the place of `forward`.
_CODE = (FunctionType, MethodType, BuiltinFunctionType)
_PLAIN = (type(None), bool, int, float, str, bytes)
_OF_LIBRARIES = ("torch", "lightning", "wandb", "transformers", "resilient_training")


@dataclass
class Attributes:
    """What has changed since the training began, in this process."""

    notices: Notices
    _begun: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin(self, trainer: Trainer) -> None:
        """Remember what there is; before anything of a checkpoint is put back."""
        self._begun = {
            holder: {name: _mark(value) for name, value in found.items()}
            for holder, found in _attributes(trainer)
        }

    def changed(self, trainer: Trainer) -> dict[str, dict[str, Any]]:
        """The attributes that have changed, as tensors and plain values; others are said."""
        found = {holder: self._changed(holder, now) for holder, now in _attributes(trainer)}
        return {holder: changed for holder, changed in found.items() if changed}

    def _changed(self, holder: str, now: Mapping[str, Any]) -> dict[str, Any]:
        begun = self._begun.get(holder, {})
        changed = {
            name: value
            for name, value in now.items()
            if name not in begun or not _same(begun[name], _mark(value))
        }
        for name, value in changed.items():
            if not (_is_plain(value) or isinstance(value, _CODE) or _is_of_a_library(value)):
                self.notices.differs(
                    f"{holder}.{name} changes while the model trains, and no checkpoint can hold a"
                    f" {type(value).__name__}: keep tensors and plain values, or save it in"
                    " on_save_checkpoint"
                )
        return {name: apart(value) for name, value in changed.items() if _is_plain(value)}


def restore_attributes(trainer: Trainer, saved: Mapping[str, Mapping[str, Any]]) -> None:
    """Put back what `Attributes.changed` gave; lists and dicts keep who else holds them."""
    for holder, held in _holders(trainer):
        for name, value in saved.get(holder, {}).items():
            there = vars(held).get(name)
            if isinstance(there, list) and isinstance(value, list):
                there[:] = value
            elif isinstance(there, dict) and isinstance(value, dict):
                there.clear()
                there.update(value)
            else:
                vars(held)[name] = value


def _holders(trainer: Trainer) -> Iterator[tuple[str, object]]:
    for name, module in trainer.lightning_module.named_modules():
        if not isinstance(module, Metric):  # these are carried by their own words
            yield f"model.{name}" if name else "model", module
    for number, callback in enumerate(callbacks_of(trainer)):
        if not _is_of_a_library(callback):
            yield f"callback {number} {type(callback).__name__}", callback


def _attributes(trainer: Trainer) -> Iterator[tuple[str, dict[str, Any]]]:
    for holder, held in _holders(trainer):
        ours = _NOT_THEIRS if isinstance(held, nn.Module) else frozenset[str]()
        yield holder, {name: value for name, value in vars(held).items() if name not in ours}


# Their own words, among them the `training` of each module, which its hooks set.
_NOT_THEIRS = frozenset(vars(LightningModule())) | frozenset(vars(nn.Module())) - {"training"}


def _is_plain(value: object) -> bool:
    match value:
        case nn.Parameter():
            return False
        case Tensor():
            return True
        case list() | tuple():
            return all(_is_plain(one) for one in value)
        case dict():
            return all(_is_plain(one) for pair in value.items() for one in pair)
        case _:
            return type(value) in _PLAIN


def _is_of_a_library(value: object) -> bool:
    return type(value).__module__.partition(".")[0] in _OF_LIBRARIES


def _mark(value: object) -> object:
    """What shows that a value has changed; holds what it compares, so that no id is used again."""
    match value:
        case Tensor():
            return value, value._version  # noqa: SLF001 - the count of changes in place
        case list() | tuple() | set() | deque():
            return [_mark(one) for one in value]
        case dict():
            return [(_mark(name), _mark(one)) for name, one in value.items()]
        case _:
            return value


def _same(one: object, other: object) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one) in _PLAIN:
        return type(one) is type(other) and one == other
    return one is other
