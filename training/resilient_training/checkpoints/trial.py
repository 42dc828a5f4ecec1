"""The first load of a file that was just written: in a process of its own, beside the training."""

from __future__ import annotations

import json
import logging
import os
import subprocess  # nosec B404
import sys
from typing import TYPE_CHECKING

from resilient_training.checkpoints.loadable import LOADS, REFUSED, NotLoadableError
from resilient_training.checkpoints.safe_globals import allowed_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_PATIENCE = 120.0
_BYTES_PER_SECOND = 20e6


def loads(command: Sequence[str], file: Path) -> bool:
    """Run `command`, which tries to load `file`; False when it did not come to an answer.

    The command reads from stdin, as JSON, what the script has allowed by `add_safe_globals`. It
    ends with 0 when the file loads, and with 3 and the reason on stdout when it is refused.

    Raises:
        NotLoadableError: the file was refused.
    """
    patience = _PATIENCE + file.stat().st_size / _BYTES_PER_SECOND
    try:
        ended = subprocess.run(  # noqa: S603  # nosec B603
            command,
            input=json.dumps(allowed_names()),
            capture_output=True,
            text=True,
            timeout=patience,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the training
            check=False,
        )
    except subprocess.TimeoutExpired:
        _log.warning("%s could not be tried: no answer within %.0f s", file, patience)
        return False
    if ended.returncode == REFUSED:
        raise NotLoadableError(f"no resume could load this checkpoint: {ended.stdout.strip()}")
    if ended.returncode != LOADS:
        last = ended.stderr.strip().rpartition("\n")[2]
        _log.warning("%s could not be tried: exit code %d %s", file, ended.returncode, last)
    return ended.returncode == LOADS


def _environment() -> dict[str, str]:
    # The same code as here, however it was found; no GPU, whose memory is the training's.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109 - of sys.path
    return {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
