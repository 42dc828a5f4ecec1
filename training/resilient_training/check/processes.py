"""A training as a process of its own, in a folder that looks like a fresh checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess  # nosec B404
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.check.plan import VARIABLE, Plan
from resilient_training.check.trial import Ended, NotCheckedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# What a training leaves behind; a new machine has none of it.
_LEFT_BEHIND = frozenset({"outputs", "wandb", "lightning_logs", "checkpoints", "__pycache__"})
# Of a job or a run, which the training that is checked is not part of.
_OF_A_JOB = re.compile(
    r"(TRAINING_JOB_|RESILIENCE_|SM_|WANDB_).*|SAGEMAKER_BASE_DIR|.*RANK|MASTER_.*"
)


@dataclass(frozen=True)
class Command:
    """Starts the command of a user.

    It runs in a folder that holds a link to each thing in `home`, except what trainings leave
    behind: what it writes into the current directory is gone for the next process.

    Attributes:
        words: The command.
        home: Where the user would call it.
        seconds: How long one process may take.
    """

    words: Sequence[str]
    home: Path
    seconds: float

    def __call__(self, plan: Plan, folder: Path, log: Path) -> Ended:
        """Start one process and wait for its end.

        Raises:
            NotCheckedError: there is no such command, or it takes too long.
        """
        for entry in self.home.iterdir():
            if entry.name not in _LEFT_BEHIND and entry.resolve() not in folder.resolve().parents:
                (folder / entry.name).symlink_to(entry)
        file = plan.folder / "plan.json"
        plan.write(file)
        environment = {**_cleared(os.environ), VARIABLE: str(file), "WANDB_MODE": "disabled"}
        return self._run(folder, environment, log)

    def _run(self, folder: Path, environment: Mapping[str, str], log: Path) -> Ended:
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(  # noqa: S603  # nosec B603 - the user's own command
                    [*self._words()],
                    cwd=folder,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                raise NotCheckedError(f"{self.words[0]} cannot be started: {error}") from error
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired as error:
                last = Ended(0, log).last_lines()
                raise NotCheckedError(
                    f"it has not ended within {self.seconds:g} s (--timeout):\n{last}"
                ) from error
            finally:
                # Processes that it started itself outlive a kill.
                end_group(process.pid)
                process.wait()
        return Ended(code, log)

    def _words(self) -> Iterator[str]:
        """Paths that lead out of the folder lead to the same place from the other folder."""
        for word in self.words:
            path = self.home / word
            yield str(path.resolve()) if word.startswith("..") and path.exists() else word


def _cleared(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not _OF_A_JOB.fullmatch(name)}


def end_group(leader: int) -> None:
    """Kill whoever is left of a process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
