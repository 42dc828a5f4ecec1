"""What a training starts as `python -m resilient_training.…`, in a process that has it imported.

A checkpoint is tried in a process of its own, which takes seconds to import torch and a moment to
load. A helper, forked before the training has any thread, forks for each such command.
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
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OURS = "resilient_training."
_LENGTH = 1 << 20


def serve_commands() -> None:
    """Have `subprocess.run` of this process answered by a helper, where the command is ours."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        here.close()
        _help(there)
    there.close()
    subprocess.run = _answered(subprocess.run, here)


def _answered(run: Callable[..., Any], helper: socket.socket) -> Callable[..., Any]:
    one_at_a_time = threading.Lock()

    def asked(command: Sequence[str], **options: Any) -> Any:  # noqa: ANN401 - of subprocess.run
        if list(command[1:2]) != ["-m"] or not command[2].startswith(_OURS):
            return run(command, **options)
        request = [list(command), options.get("input", ""), os.getcwd()]  # noqa: PTH109
        with one_at_a_time:
            helper.send(json.dumps(request).encode())
            code, said, errors = json.loads(helper.recv(_LENGTH))
        return subprocess.CompletedProcess(command, code, said, errors)

    return asked


def _help(asked: socket.socket) -> NoReturn:
    """Answer until the training is gone."""
    while request := asked.recv(_LENGTH):
        command, given, folder = json.loads(request)
        answers = [tempfile.TemporaryFile("w+") for _ in range(2)]  # noqa: SIM115 - closed below
        child = os.fork()
        if child == 0:
            _be(command, given, folder, [one.fileno() for one in answers])
        _, status = os.waitpid(child, 0)
        said = []
        for one in answers:
            one.seek(0)
            said.append(one.read())
            one.close()
        asked.send(json.dumps([os.waitstatus_to_exitcode(status), *said]).encode())
    os._exit(0)


def _be(command: list[str], given: str, folder: str, answers: list[int]) -> NoReturn:
    code = 1
    try:
        for stream, file in zip((1, 2), answers, strict=True):
            os.dup2(file, stream)
        os.chdir(folder)
        sys.stdin = io.StringIO(given)
        sys.argv = [str(Path(command[0])), *command[3:]]
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
