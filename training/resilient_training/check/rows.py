"""A run of W&B whose history is a file."""

from __future__ import annotations

import atexit
import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import wandb

from resilient_training.arrived import names_in

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID = "check"


class Rows:
    """The history as W&B keeps it: a row per step, steps only go up, the newest are in a buffer.

    A process that is killed loses the rows in its buffer, as with the SDK; `flush` is its end.
    """

    def __init__(self, file: Path, *, buffered: int) -> None:
        self.file = file
        last = rows_in(file)[-1:]
        self.starting_step: int = last[0]["_step"] + 1 if last else 0
        self.step = self.starting_step
        self._row: dict[str, Any] = {}
        self._buffer: deque[dict[str, Any]] = deque()
        self._buffered = buffered

    def log(self, data: Mapping[str, Any], step: int | None, *, commit: bool | None) -> None:
        """As `Run.log` of the SDK: what comes for a step that is over is dropped."""
        if step is not None and step < self.step:
            return
        if step is not None and step > self.step:
            self._end_row()
            self.step = step
        self._row.update({key: plain(value) for key, value in data.items()})
        if commit or (commit is None and step is None):
            self._end_row()
            self.step += 1

    def flush(self) -> None:
        self._end_row()
        self._write(keep=0)

    def _end_row(self) -> None:
        if self._row:
            self._buffer.append({"_step": self.step, **self._row})
            self._row = {}
        self._write(keep=self._buffered)

    def _write(self, keep: int) -> None:
        with self.file.open("a") as file:
            while len(self._buffer) > keep:
                file.write(json.dumps(self._buffer.popleft()) + "\n")


def rows_in(file: Path) -> list[dict[str, Any]]:
    """The rows of a history, the oldest first; none where there is no file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON can hold
    """A number of whatever library as a number; a picture, a table and the like by its kind."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.item() if _count(value) == 1 else f"<{type(value).__name__}>"
    return f"<{type(value).__name__}>"


def _count(value: torch.Tensor | np.ndarray[Any, Any] | np.generic) -> int:
    return value.numel() if isinstance(value, torch.Tensor) else int(value.size)


@dataclass(frozen=True)
class ArrivedRows:
    """What a history in a file has, as `History` asks for it."""

    file: Path

    def last_step(self) -> int:
        return max((int(row["_step"]) for row in rows_in(self.file)), default=-1)

    def names_since(self, axis: str, since: int) -> dict[int, frozenset[str]]:
        return names_in([rows_in(self.file)], axis, since)


class RecordedRun:
    """A disabled run of W&B that records its history; else as the SDK's own."""

    def __init__(self, run: wandb.Run, rows: Rows) -> None:
        self._run = run
        self._rows = rows
        self._folder = str(Path("wandb", _ID, "files").resolve())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the run has
        return getattr(self._run, name)

    @property
    def dir(self) -> str:
        """The same in each process: what keeps files there, keeps their paths in checkpoints."""
        return self._folder

    @property
    def starting_step(self) -> int:
        return self._rows.starting_step

    @property
    def step(self) -> int:
        return self._rows.step

    @property
    def _local_step(self) -> int:
        """By which the SDK counts, and History with it."""
        return self._rows.step

    @property
    def resumed(self) -> bool:
        return self._rows.starting_step > 0

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,  # noqa: FBT001 - the SDK's
    ) -> None:
        self._rows.log(data, step, commit=commit)


def begin_recorded_run(file: Path, *, buffered: int) -> RecordedRun:
    """Make the run of this process, also for who calls `wandb.log`."""
    rows = Rows(file, buffered=buffered)
    run = RecordedRun(wandb.init(mode="disabled", id=_ID), rows)
    atexit.register(rows.flush)
    vars(wandb).update(run=run, log=run.log)
    return run
