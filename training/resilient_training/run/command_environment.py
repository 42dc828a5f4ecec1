"""The environment that the command gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
# With the address of the wrapper's own service of W&B the training would share its connection, and
# end with it. `wandb.init` puts the name into this process's environment.
_NOT_THEIRS = frozenset({"WANDB_SERVICE", "WANDB__SERVICE"})
# torchrun (since 2026; 30 s before) gives its workers as long after SIGTERM as leaves time for the
# last commit within SageMaker's 120 s.
_SHUTDOWN_SECONDS = "60"


def environment_for_command(environment: Mapping[str, str], error_file: Path) -> dict[str, str]:
    """Build the command's environment; to be called before `wandb.init`.

    What the user has set stays. Python is told to write at once: what it holds back is lost when it
    is killed, and makes a training that prints look silent.
    """
    kept = {name: value for name, value in environment.items() if name not in _NOT_THEIRS}
    return {
        "PYTHONUNBUFFERED": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": _SHUTDOWN_SECONDS,
        ERROR_FILE: str(error_file),
        **kept,
    }
