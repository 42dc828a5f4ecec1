"""The process that tries to load a file for `checkpoints.trial`.

`python -m resilient_training.checkpoints.reader` reads one line from stdin, as JSON: `reader`, the
module whose `refusal` tries the file; `file`; `allowed`, the names of what the script has allowed
by `add_safe_globals`. It ends with 0 when the file loads, and with 3 and the reason on stdout when
it is refused. Any other exit code is a crash, which says nothing of the file.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

import torch

from resilient_training.checkpoints.safe_globals import allow

LOADS, REFUSED = 0, 3


def main() -> int:
    """Import what takes seconds, then wait for the line."""
    torch.set_num_threads(1)
    # A line, not all of stdin: the workers of a DataLoader hold its other end open as well.
    line = sys.stdin.readline()
    if not line:  # the training has ended
        return LOADS
    asked = json.loads(line)
    reader = import_module(asked["reader"])
    allow(asked["allowed"])
    why = reader.refusal(asked["file"])
    if why is None:
        return LOADS
    print(why)  # noqa: T201 - the answer
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
