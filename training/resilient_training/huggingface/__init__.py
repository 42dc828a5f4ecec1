"""Hugging Face trainings that can be brought back. Needs transformers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_training.huggingface.training import train

__all__ = ["train"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # What tries a checkpoint needs no Trainer, which takes seconds to import.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.training"), name)
