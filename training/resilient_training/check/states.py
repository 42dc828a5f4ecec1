"""The values in a checkpoint, each by the path of its keys."""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

State = dict[str, dict[str, object]]

WEIGHTS, OPTIMIZER, SCHEDULERS, OTHER = "weights", "optimizer", "schedulers", "other state"
_OF_LIGHTNING = {
    "state_dict": WEIGHTS,
    "optimizer_states": OPTIMIZER,
    "lr_schedulers": SCHEDULERS,
}
_OF_TRAINER = (
    (r".*(model|adapter)[^/]*\.(safetensors|bin)", WEIGHTS),
    (r".*optimizer\.(pt|bin)", OPTIMIZER),
    (r".*scheduler\.(pt|bin)", SCHEDULERS),
)
# Clocks, and what is compared by itself: a row of the history, the number of the attempt.
_NOT_COMPARED = re.compile(
    r"(.*\.)?(attempt|rows|time_elapsed|start_time|\w+_runtime|\w+_per_second)(\..*)?"
    r"|(.*/)?(attempt\.json|training_args\.bin|rng_state\S*|README\.md)(\..*)?"
)


def state_in(file: Path) -> State:
    """The values of a checkpoint in four groups.

    Raises:
        pickle.UnpicklingError: it holds more than tensors and plain values.
    """
    state: State = {WEIGHTS: {}, OPTIMIZER: {}, SCHEDULERS: {}, OTHER: {}}
    for path, group, value in _values(file):
        if not _NOT_COMPARED.fullmatch(path):
            state[group][path] = value
    return state


def _values(file: Path) -> Iterator[tuple[str, str, object]]:
    if tarfile.is_tarfile(file):
        yield from _in_folder(file)
        return
    saved = torch.load(file, map_location="cpu", weights_only=True)
    for name, value in saved.items():
        if name == "parts":
            for part, inner in value.items():
                yield from _flat(part, inner, _kind_of(inner))
        else:
            yield from _flat(name, value, _OF_LIGHTNING.get(name, OTHER))


def _in_folder(file: Path) -> Iterator[tuple[str, str, object]]:
    with tarfile.open(file, "r:") as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            # Those that are not compared hold what only their own reader is told to allow.
            if content is not None and not _NOT_COMPARED.fullmatch(member.name):
                yield from _flat(member.name, _read(member.name, content.read()), _group(member))


def _read(name: str, content: bytes) -> object:
    if name.endswith(".safetensors"):
        from safetensors.torch import load  # noqa: PLC0415 - only Hugging Face brings it

        return load(content)
    if name.endswith((".pt", ".pth")):
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return json.loads(content) if name.endswith(".json") else content


def _group(member: tarfile.TarInfo) -> str:
    found = (group for pattern, group in _OF_TRAINER if re.fullmatch(pattern, member.name))
    return next(found, OTHER)


def _kind_of(part: object) -> str:
    match part:
        case {"param_groups": _}:
            return OPTIMIZER
        case {"last_epoch": _} | {"num_bad_epochs": _}:
            return SCHEDULERS
        case dict() if part and all(isinstance(one, torch.Tensor) for one in part.values()):
            return WEIGHTS
        case _:
            return OTHER


def _flat(path: str, value: Any, group: str) -> Iterator[tuple[str, str, object]]:  # noqa: ANN401 - any
    match value:
        case dict():
            for name, inner in value.items():
                yield from _flat(f"{path}.{name}", inner, group)
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _flat(f"{path}.{number}", inner, group)
        case _:
            yield path, group, value


def equal(one: object, other: object) -> bool:
    """Bit by bit: also of numbers that are not equal to themselves."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and torch.equal(_bits(one), _bits(other))
    return type(one) is type(other) and (one == other or repr(one) == repr(other))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def gap(one: object, other: object) -> str:
    """How far two values are apart, for a person."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape:
            return f"{tuple(one.shape)} and {tuple(other.shape)}"
        return f"by up to {(one.double() - other.double()).abs().max().item():.2g}"
    return f"{_short(one)} and {_short(other)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"  # noqa: PLR2004 - fits a line
