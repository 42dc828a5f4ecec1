"""A training unbroken, and the same training broken and resumed; each process is new."""

from __future__ import annotations

import pickle  # nosec B403 - for its errors
import shutil
import signal
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from resilient_training.check.compare import Part, Records, compare, differing, result_part
from resilient_training.check.plan import Break, Plan
from resilient_training.ending import TERMINATED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN_LINES = 15


class Verdict(Enum):
    SAME = "the same"
    SAID = "differs, and a line said so"
    SILENT = "SILENTLY DIFFERENT"
    LOST = "LOST"


class NotCheckedError(Exception):
    """The training does not let itself be checked; the message says why."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or the signal as a negative number."""

    code: int
    log: Path

    def last_lines(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.rstrip().splitlines()[-_SHOWN_LINES:])

    def last_line(self) -> str:
        lines = [line for line in self.last_lines().splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"


class Launcher(Protocol):
    """Starts one process of the training in an empty folder and waits for its end."""

    def __call__(self, plan: Plan, folder: Path, log: Path, /) -> Ended:
        """Give the end; `folder` has been emptied."""


@dataclass(frozen=True)
class Outcome:
    """What came of one break."""

    verdict: Verdict
    parts: Sequence[Part] = ()
    notices: Sequence[str] = ()
    resumed_from: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Trial:
    """The processes of one check, all in one folder, one after the other.

    Attributes:
        folder: Scratch, of this trial alone.
        launcher: Starts a process.
        end_at: The step after which each training ends. None: its own end.
        results: Files that the training writes and that are compared as well.
        stored: Whether checkpoints are kept in the folder. False: in W&B, as without a check.
    """

    folder: Path
    launcher: Launcher
    end_at: int | None = None
    results: Sequence[str] = ()
    stored: bool = True

    def unbroken(self, name: str = "unbroken") -> Records:
        """Run it once without a break.

        Raises:
            NotCheckedError: it does not end well, or stored nothing.
        """
        ended = self._launch(name, self._plan(name))
        if not self._is_well(ended):
            raise NotCheckedError(f"unbroken, it ended with {ended.code}:\n{ended.last_lines()}")
        records = self._records(name)
        if self.stored and records.store.newest() is None:
            raise NotCheckedError(f"it saved no checkpoint:\n{ended.last_lines()}")
        return records

    def broken(self, name: str, at: Break, save_at: tuple[int, ...] | None = None) -> Outcome:
        """Break it, resume it on what is like a new machine, and compare.

        Raises:
            NotCheckedError: it ended before the break.
        """
        first = self._launch(name, self._plan(name, at, save_at))
        if not (self._folder(name) / "break.sent").exists():
            raise NotCheckedError(
                f"it ended before the break ({at.place} {at.number}) with {first.code}:\n"
                f"{first.last_lines()}"
            )
        if first.code not in {-signal.SIGKILL, TERMINATED, 0}:
            return self._lost(f"ended with {first.code} on the break", first)
        steps = self.steps_of(name)
        second = self._launch(name, self._plan(name, save_at=save_at))
        if not self._is_well(second):
            return self._lost(f"resumed, it ended with {second.code}", second)
        return self.judge(name, max(steps, default=0) if self.stored else None)

    def run(self, name: str, *, away_from: int | None = None) -> Ended:
        """Run one more process of a training, without a break."""
        return self._launch(name, replace(self._plan(name), away_from=away_from))

    def steps_of(self, name: str) -> list[int]:
        """The steps of the training's checkpoints, the oldest first."""
        return self._records(name).store.steps()

    def result_differs(self, name: str, result: str) -> bool:
        """Whether a file that a training wrote is another than the unbroken training's."""
        part = result_part(result, self._records("unbroken"), self._records(name))
        return part.same is not True

    def judge(self, name: str, resumed_from: int | None) -> Outcome:
        """Compare with the unbroken training."""
        records = self._records(name)
        notices = records.notices()
        try:
            parts = compare(self._records("unbroken"), records)
        except pickle.UnpicklingError as error:
            return Outcome(Verdict.LOST, why=f"a checkpoint cannot be loaded: {error}")
        if not differing(parts):
            verdict = Verdict.SAME
        else:
            verdict = Verdict.SAID if notices else Verdict.SILENT
        return Outcome(verdict, parts, notices, resumed_from)

    def is_repeatable(self) -> list[Part]:
        """Run it unbroken once more; gives what differs even so."""
        return differing(compare(self._records("unbroken"), self.unbroken("again")))

    def _lost(self, why: str, ended: Ended) -> Outcome:
        return Outcome(Verdict.LOST, why=f"{why}: {ended.last_line()}")

    def _is_well(self, ended: Ended) -> bool:
        return ended.code == 0 or (self.end_at is not None and ended.code == TERMINATED)

    def _plan(
        self, name: str, at: Break | None = None, save_at: tuple[int, ...] | None = None
    ) -> Plan:
        if save_at is None and self.end_at is not None:
            save_at = ()
        return Plan(
            self._folder(name),
            stored=self.stored,
            save_at=save_at,
            end_at=self.end_at,
            break_at=at,
        )

    def _folder(self, name: str) -> Path:
        return self.folder / name

    def _records(self, name: str) -> Records:
        kept = self._folder(name) / "results"
        return Records(self._folder(name), {one: kept / one for one in self.results})

    def _launch(self, name: str, plan: Plan) -> Ended:
        # The same place each time: paths that a checkpoint holds are then the same as well.
        place = self.folder / "work"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        self._folder(name).mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder(name).glob("log-*.txt"))) + 1
        ended = self.launcher(plan, place, self._folder(name) / f"log-{number}.txt")
        for one in self.results:
            if (place / one).is_file():
                kept = self._folder(name) / "results" / one
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place / one, kept)
        return ended
