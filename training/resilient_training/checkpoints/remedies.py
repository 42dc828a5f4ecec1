"""What to do about a value that a checkpoint cannot hold."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import types
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALLOWED_AT_MOST = 3  # what a longer list lets through, nobody has looked at
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)
_REMEDIES = (
    (PurePath, "save str(…) of it"),
    (Enum, "save its .value"),
    (np.generic, "save .item() of it, a plain number"),
    (np.ndarray, "save torch.from_numpy(…) of it"),
    (nn.Module, "save its state_dict(), or leave it out (save_hyperparameters(ignore=[…]))"),
    (argparse.Namespace, "save vars(…) of it"),
    (functools.partial, "save its arguments, and make it again from them"),
    (_FUNCTIONS, "save its name, and look it up again"),
    ((set, frozenset), "save a sorted list of it"),
)
# To allow one is to allow what it calls, or all that it holds.
_NEVER_ALLOWED = (nn.Module, functools.partial, *_FUNCTIONS)


def remedy_for(value: object, needed: Sequence[str]) -> str:
    """What to save instead, or how to allow it: `needed` are the globals that a load refuses."""
    instead = _instead(value) or ("save plain values of it" if needed else "leave it out")
    if isinstance(value, _NEVER_ALLOWED) or not 0 < len(needed) <= _ALLOWED_AT_MOST:
        return instead
    return f"{instead}, or allow {', '.join(needed)} with torch.serialization.add_safe_globals"


def _instead(value: object) -> str | None:
    if type(value).__module__.partition(".")[0] == "omegaconf":
        return "save OmegaConf.to_container(…, resolve=True)"
    if dataclasses.is_dataclass(value):
        return "save dataclasses.asdict(…) of it"
    return next((remedy for kind, remedy in _REMEDIES if isinstance(value, kind)), None)
