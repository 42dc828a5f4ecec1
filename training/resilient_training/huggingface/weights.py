"""The weights of a model that are saved, and how its library writes them from a copy."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    if find_spec("peft") is None:
        return False
    from peft import PeftModel  # noqa: PLC0415 - not everybody has it

    return isinstance(model, PeftModel)


def _adapters(model: Any, state: State) -> list[State]:  # noqa: ANN401 - PeftModel
    from peft import get_peft_model_state_dict  # noqa: PLC0415 - not everybody has it

    return [get_peft_model_state_dict(model, state, name) for name in model.peft_config]


def write_weights(trainer: Trainer, staged: State, folder: Path) -> None:
    """Write what `Trainer.save_model` would, without the tokenizer."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    if isinstance(model, PreTrainedModel) or is_peft(model):
        model.save_pretrained(folder, state_dict=dict(staged))
    else:
        save_file(staged, folder / "model.safetensors", metadata={"format": "pt"})


def without_aliases(state: Mapping[str, Any]) -> tuple[State, dict[str, str]]:
    """Each tensor once; and the name that stands for each further name of a tied weight."""
    first: dict[object, str] = {}
    aliases: dict[str, str] = {}
    for name, value in state.items():
        known = first.setdefault(_identity(name, value), name)
        if known != name:
            aliases[name] = known
    return {name: value for name, value in state.items() if name not in aliases}, aliases


def _identity(name: str, value: object) -> object:
    if not isinstance(value, Tensor) or value.numel() == 0:
        return name
    return value.data_ptr(), value.dtype, value.shape, value.stride()


def with_aliases(staged: State, aliases: Mapping[str, str]) -> State:
    return {**staged, **{name: staged[known] for name, known in aliases.items()}}
