"""Whether a failure is evidence against the checkpoint that the command was to resume from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What torch, DCP and safetensors say of a file that they cannot read, or that does not fit.
_LOADING = re.compile(
    r"""Error\(s\)\ in\ loading\ state_dict | Missing\ key\ in\ checkpoint\ state_dict
    | PytorchStreamReader\ failed | UnpicklingError | SafetensorError
    | unexpected\ EOF,\ expected""",
    re.VERBOSE,
)
# A full disk, memory or a refusal says nothing about the file that it names.
_NOT_ITS_FAULT = re.compile(
    r"No space left|out of memory|OutOfMemory|Permission denied|Too many open files"
    r"|Stale file handle|Input/output error|Disk quota"
)


def blames(text: str, folder: Path) -> bool:
    """Whether an error text blames the checkpoint in `folder`, by its words or by naming it.

    To be asked only of a command that died before it made a checkpoint of its own: a training that
    has begun names its folders for many reasons. A wrong yes rejects a good version, a wrong no
    costs an attempt: so the folder's name counts only as part of a path.
    """
    if _NOT_ITS_FAULT.search(text):
        return False
    name = re.escape(folder.name)
    named = re.search(rf"(?<![\w.-]){re.escape(str(folder))}(?![\w.-])|/{name}(?![\w.-])", text)
    return bool(named or _LOADING.search(text))
