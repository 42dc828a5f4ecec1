"""The weights of a model that are saved, and how its library writes them from a copy."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from transformers import Trainer

State = dict[str, Any]


def weights_of(model: Any) -> State | None:  # noqa: ANN401 - a module of any library
    """The weights that the model's library would save, by their names in the model.

    None: it would save something else than the weights that it is given, so no copy would do.
    """
    state: State = model.state_dict()
    if not is_peft(model):
        return state
    names = {id(value): name for name, value in state.items()}
    saved = [value for part in _adapters(model, state) for value in part.values()]
    if not all(id(value) in names for value in saved):
        return None
    wanted = {id(value) for value in saved}
    return {name: value for name, value in state.items() if id(value) in wanted}


def is_peft(model: object) -> bool:
    peft = _peft()
    return peft is not None and isinstance(model, peft.PeftModel)


def _peft() -> ModuleType | None:
    """The library, where the training uses it."""
    return sys.modules.get("peft")


def _adapters(model: Any, state: State) -> list[State]:  # noqa: ANN401 - PeftModel
    one_of: Callable[..., State] = import_module("peft").get_peft_model_state_dict
    return [one_of(model, state, name) for name in model.peft_config]


def write_weights(trainer: Trainer, staged: State, folder: Path) -> None:
    """Write what `Trainer.save_model` would, without the tokenizer."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    if isinstance(model, PreTrainedModel) or is_peft(model):
        model.save_pretrained(folder, state_dict=dict(staged))
    else:
        save_file(staged, folder / "model.safetensors", metadata={"format": "pt"})
