"""What the container of a job runs: `train.py`, or the command of the launch.

The SDK's start script evaluates the command in its shell. With `exec` the command replaces that
shell: only the container's first process hears SIGTERM.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RUN = "resilient-run"
DEFAULT = "exec python train.py"
PACKAGE = "resilient_training"
# The channel by which the package comes to a job whose source has none.
CHANNEL = "resilience"
_MODULE = f"python -m {PACKAGE}.run"
_BROUGHT = f"env PYTHONPATH=/opt/ml/input/data/{CHANNEL}${{PYTHONPATH:+:$PYTHONPATH}} {_MODULE}"
_RUN_WORD = re.compile(rf"(?<!\S){RUN}(?!\S)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_CONTROL = frozenset({";", "&", "&&", "|", "||"})
_SCRIPTS = (".py", ".sh")


def is_wrapped(command: str | None) -> bool:
    """Whether `resilient-run` runs the training."""
    words = _words(command) if command else []
    by_module = ("-m", f"{PACKAGE}.run") in pairwise(words)
    return by_module or any(PurePosixPath(word).name == RUN for word in words)


def brings_package(command: str | None, source: Path) -> bool:
    """Whether the launch brings `resilient_training`: the command needs it, the source has none."""
    return is_wrapped(command) and not (source / PACKAGE / "run" / "__main__.py").is_file()


def start_command(command: str | None, source: Path) -> str:
    """Give what the container's shell evaluates.

    `resilient-run` becomes a module: it is found beside the script or in the channel that brings
    it, also where no console script is installed.
    """
    if command is None:
        return DEFAULT
    run = _BROUGHT if brings_package(command, source) else _MODULE
    text = _RUN_WORD.sub(lambda _: run, command.strip(), count=1)
    words = _words(command)
    if "exec" in words:
        return text
    return f"exec {'env ' if _ASSIGNMENT.match(words[0]) else ''}{text}"


def check_command(command: str, source: Path) -> None:
    """Refuse a command that would only fail in the container.

    Raises:
        LaunchError: says what is wrong and what to give instead.
    """
    words = _words(command)
    if not words:
        raise LaunchError("--command is empty: give what the container runs")
    # The SDK splits the text at white space and joins it with single spaces.
    if words != _words(" ".join(command.split())):
        raise LaunchError("--command: the SDK keeps one space of several, and no line break")
    if "exec" not in words and (control := _CONTROL & set(_tokens(command))):
        raise LaunchError(
            f"--command has {min(control)} but no exec: write exec before the training itself, as"
            " in: cd recipes && exec resilient-run …; only the first process hears SIGTERM"
        )
    script = None if "cd" in words else _script(words)
    if script is not None and not (source / script).is_file():
        raise LaunchError(f"{source} has no {script}, which --command names: see --source")


def notes_on(command: str | None, source: Path) -> Iterator[str]:
    """Say of a command that nothing saves its checkpoints, as far as that can be seen."""
    if command is not None and not is_wrapped(command) and not _has_callbacks(source):
        yield (
            f"--command has no {RUN} and the source does not use {PACKAGE}: a job that dies begins"
            " at the beginning"
        )


def _has_callbacks(source: Path) -> bool:
    """Whether a script of the source names the package."""
    scripts = [path for path in source.rglob("*.py") if PACKAGE not in path.parts]
    return any(PACKAGE in path.read_text("utf-8", errors="replace") for path in scripts)


def _script(words: Sequence[str]) -> str | None:
    """Find the first word that is a file of the source; None: there is no such word."""
    named = (word for word in words if word.endswith(_SCRIPTS))
    return next((word for word in named if word[0] not in "-/" and not set("$=") & set(word)), None)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise LaunchError(f"--command {command!r}: {error}") from None


def _tokens(command: str) -> list[str]:
    """Give its words, with the shell's own signs as words of their own."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)
