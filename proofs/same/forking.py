"""Processes that begin with everything imported: to import it takes ten times a training.

The template imports once, has a single thread, and forks for each run. A killed child is really
killed: its memory, files and threads are its own.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import runpy
import signal
import sys
import threading
import time
import traceback
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from proofs.same.warm import serve_trials
from resilient_training.check.plan import VARIABLE, Plan
from resilient_training.check.processes import end_group
from resilient_training.check.trial import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE = Path(__file__).with_name("one.py")
_ROOT = _ONE.parents[2]
_POLL = 0.01
_NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
_PRIVATE = 0x40000 | 0x4000  # MS_PRIVATE | MS_REC


class NoTmpfsError(Exception):
    """This process may not mount a small disk."""


@dataclass(frozen=True)
class Fork:
    """Starts one process of a variant, as `Launcher` wants it.

    Attributes:
        variant: Its name in the table.
        seconds: Until a process that does not end is killed.
        disk_bytes: The size of the disk that local checkpoints are written to. None: the real one.
        environment: Set in the process.
    """

    variant: str
    seconds: float
    disk_bytes: int | None = None
    environment: Mapping[str, str] | None = None

    def __call__(self, plan: Plan, folder: Path, log: Path) -> Ended:
        file = plan.folder / "plan.json"
        plan.write(file)
        child = os.fork()
        if child == 0:
            self._live(file, folder, log)
        return Ended(self._code_of(child, log), log)

    def _code_of(self, child: int, log: Path) -> int:
        ends = time.monotonic() + self.seconds
        while time.monotonic() < ends:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                end_group(child)
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL)
        end_group(child)
        os.waitpid(child, 0)
        with log.open("a") as file:
            file.write(f"\nIT HUNG: killed after {self.seconds:g} s\n")
        return -signal.SIGALRM

    def _live(self, plan: Path, folder: Path, log: Path) -> NoReturn:
        """Be the process of the training, to its end."""
        code = 1
        try:
            os.setsid()
            _leave_what_is_the_templates()
            _speak_into(log)
            os.chdir(folder)
            os.environ.update(self._environment(plan))
            if self.disk_bytes is not None:
                mount_small_disk(folder / "outputs" / "checkpoints", self.disk_bytes)
            serve_trials()
            sys.argv = [str(_ONE), self.variant]
            runpy.run_path(str(_ONE), run_name="__main__")
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:  # noqa: BLE001 - as the interpreter's own end
            traceback.print_exc()
        finally:
            _leave(code)

    def _environment(self, plan: Path) -> dict[str, str]:
        paths = f"{_ROOT}:{_ROOT / 'training'}:{os.environ.get('PYTHONPATH', '')}"
        return {
            VARIABLE: str(plan),
            "WANDB_MODE": "disabled",
            "PYTHONPATH": paths,
            **(self.environment or {}),
        }


def _leave_what_is_the_templates() -> None:
    """A temporary folder that a library made when it was imported is not this process's to end."""
    for inherited in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # noqa: SLF001
        inherited.atexit = False
    atexit._clear()  # noqa: SLF001 - as `_leave`
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # noqa: SLF001


def _speak_into(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)


def _leave(code: int) -> NoReturn:
    """End as an interpreter does, but without the template's own end."""
    # A forked child has no other way to what an interpreter does at its end.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def mount_small_disk(folder: Path, size: int) -> None:
    """Give this process, and whoever it starts, a small disk at `folder`.

    Raises:
        NoTmpfsError: it may not.
    """
    folder.mkdir(parents=True)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size}".encode()
    made = (
        libc.unshare(_NEW_NAMESPACE) == 0
        and libc.mount(b"none", b"/", None, _PRIVATE, None) == 0
        and libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, options) == 0
    )
    if not made:
        raise NoTmpfsError(os.strerror(ctypes.get_errno()))
