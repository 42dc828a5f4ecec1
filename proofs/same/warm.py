"""The process that tries a checkpoint, forked from one that has imported all.

A new one takes seconds to import torch and a moment to load. A helper, forked before the training
has any thread, forks for each file.
"""

from __future__ import annotations

import io
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from typing import NoReturn

from resilient_training.checkpoints.trial import Trial

_READER = "resilient_training.checkpoints.reader"
_LENGTH = 1 << 20


def serve_trials() -> None:
    """Have what `Trial` of this process asks be answered by a helper."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        here.close()
        _help(there)
    there.close()

    def asked(self: Trial, line: str, patience: float) -> subprocess.CompletedProcess[str]:
        del self, patience
        here.send(line.encode())
        code, said, errors = json.loads(here.recv(_LENGTH))
        return subprocess.CompletedProcess([_READER], code, said, errors)

    # Only its way to a process is replaced.
    Trial._asked = asked  # type: ignore[method-assign]  # noqa: SLF001
    Trial.prepare = _nothing  # type: ignore[method-assign]


def _nothing(self: Trial) -> None:
    """A helper waits already."""


def _help(asked: socket.socket) -> NoReturn:
    """Answer until the training is gone."""
    while line := asked.recv(_LENGTH):
        answers = [tempfile.TemporaryFile("w+") for _ in range(2)]  # noqa: SIM115 - closed below
        child = os.fork()
        if child == 0:
            _be(line.decode(), [one.fileno() for one in answers])
        _, status = os.waitpid(child, 0)
        said = []
        for one in answers:
            one.seek(0)
            said.append(one.read())
            one.close()
        asked.send(json.dumps([os.waitstatus_to_exitcode(status), *said]).encode())
    os._exit(0)


def _be(line: str, answers: list[int]) -> NoReturn:
    code = 1
    try:
        for stream, file in zip((1, 2), answers, strict=True):
            os.dup2(file, stream)
        sys.stdin = io.StringIO(line)
        runpy.run_module(_READER, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
