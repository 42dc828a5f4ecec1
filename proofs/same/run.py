"""One variant through all its places."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from proofs.same.forking import Fork
from resilient_training.check.compare import differing
from resilient_training.check.trial import NotCheckedError, Outcome, Trial, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proofs.same.places import Place
    from proofs.same.table import Variant
    from resilient_training.check.compare import Records
    from resilient_training.check.plan import Break

RESULT = "model.pt"
_SECONDS = 120.0
# Between two checkpoints lie 5 or 6 steps, twice as many where two optimizers step.
_MOST_LOST = 13
_PAGE = 4096
_SAYS_FULL = re.compile(r"No space left|disk", re.IGNORECASE)
_SAYS_AWAY = re.compile(r"not in W&B", re.IGNORECASE)


class Came(StrEnum):
    """What came of a variant at a place."""

    SAME = "the same"
    REFUSED = "refused at the start"
    SAID = "differs, said"
    SILENT = "SILENTLY DIFFERENT"
    LOST = "LOST"
    UNREACHED = "NOT REACHED"
    SKIPPED = "not installed"

    @property
    def is_bad(self) -> bool:
        return self in {Came.SILENT, Came.LOST, Came.UNREACHED}


_OF = {
    Verdict.SAME: Came.SAME,
    Verdict.SAID: Came.SAID,
    Verdict.SILENT: Came.SILENT,
    Verdict.LOST: Came.LOST,
}


@dataclass(frozen=True)
class Row:
    variant: str
    place: str
    came: Came
    detail: str = ""

    def write(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Row:
        told = json.loads(line)
        return cls(told["variant"], told["place"], Came(told["came"]), told["detail"])


def try_out(variant: Variant, folder: Path, wanted: str = "") -> Iterator[Row]:
    """Each place of a variant whose name has the text `wanted`."""
    missing = variant.missing()
    if missing:
        yield Row(str(variant), "all", Came.SKIPPED, ", ".join(missing))
        return
    trial = Trial(folder, Fork(str(variant), _SECONDS), results=(RESULT,))
    try:
        whole = trial.unbroken()
    except NotCheckedError as error:
        yield _unable(variant, str(error))
        return
    for place in variant.places:
        if wanted in place.name:
            yield _row(variant, place, trial, whole)


def _unable(variant: Variant, message: str) -> Row:
    found = variant.refusal and re.search(variant.refusal, message)
    came = Came.REFUSED if found else Came.LOST
    lines = [line for line in message.splitlines() if found is None or found[0] in line]
    return Row(str(variant), "all", came, lines[-1].strip()[:300])


def _row(variant: Variant, place: Place, trial: Trial, whole: Records) -> Row:
    try:
        came, detail = _tried(variant, place, trial, whole)
    except NotCheckedError as error:
        came, detail = Came.UNREACHED, str(error).splitlines()[0]
    return Row(str(variant), place.name, came, detail)


def _tried(variant: Variant, place: Place, trial: Trial, whole: Records) -> tuple[Came, str]:
    name = f"{zlib.crc32(place.name.encode()):08x}"
    if place.away is not None:
        return _with_wandb_away(trial, name, round(place.away * whole.steps()))
    if place.full is not None:
        newest = whole.store.newest()
        size = newest.stat().st_size if newest else 0
        # A file takes whole pages; half a checkpoint more than `full` of them.
        room = int(size * (place.full + 0.5)) // _PAGE * _PAGE
        small = replace(trial, launcher=Fork(str(variant), _SECONDS, disk_bytes=room))
        return _with_disk_full(small, trial, name)
    at = place.break_for(whole.steps())
    if at is None:
        raise NotCheckedError(f"{place.name} breaks nothing")
    return _told(trial.broken(name, at), at)


def _told(outcome: Outcome, at: Break | None = None) -> tuple[Came, str]:
    if at is not None and at.place in {"step", "committed"} and outcome.resumed_from is not None:
        lost = at.number - outcome.resumed_from
        if lost > _MOST_LOST:
            return Came.LOST, f"broken at step {at.number}, resumed from {outcome.resumed_from}"
    said = [f"said: {line}" for line in outcome.notices]
    found = [f"{part.name}: {part.detail}" for part in differing(outcome.parts)]
    return _OF[outcome.verdict], "; ".join([outcome.why or "; ".join(found[:3]), *said]).strip("; ")


def _with_wandb_away(trial: Trial, name: str, step: int) -> tuple[Came, str]:
    """The training is done and its model is there, whatever became of the checkpoints."""
    ended = trial.run(name, away_from=step)
    if ended.code != 0:
        return Came.LOST, f"ended with {ended.code}: {ended.last_line()}"
    if trial.result_differs(name, RESULT):
        return Came.LOST, "the model differs, or is not there"
    if not _SAYS_AWAY.search(ended.log.read_text()):
        return Came.LOST, "no line says what is not in W&B"
    return Came.SAME, "and a line says what is not in W&B"


def _with_disk_full(small: Trial, trial: Trial, name: str) -> tuple[Came, str]:
    """It says so and ends, or says so and goes on; and comes back on a larger disk."""
    ended = small.run(name)
    if not _SAYS_FULL.search(ended.log.read_text(errors="replace")):
        return Came.LOST, f"no line says that the disk is full; ended with {ended.code}"
    steps = trial.steps_of(name)
    if ended.code != 0:
        again = trial.run(name)
        if again.code != 0:
            return Came.LOST, f"resumed, it ended with {again.code}: {again.last_line()}"
    return _told(trial.judge(name, max(steps, default=0)))
