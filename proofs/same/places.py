"""Where a training is broken. Numbers that depend on its length are shares of its steps."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from resilient_training.check.plan import Break

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@dataclass(frozen=True)
class Place:
    """One way to break a training.

    Attributes:
        name: In the table.
        at: Of `Break`: step, uploading, committed, or a hook's name.
        where: The number; below 1 a share of the unbroken training's steps.
        signal: SIGKILL or SIGTERM. None: nothing is sent, the surroundings break.
        away: W&B takes no checkpoint from that share of the steps on.
        full: The disk has room for so many checkpoints, and no more.
    """

    name: str
    at: str = ""
    where: float = 0
    signal: int | None = KILL
    away: float | None = None
    full: int | None = None

    def break_for(self, steps: int) -> Break | None:
        if self.signal is None:
            return None
        number = int(self.where) if self.where >= 1 else max(1, round(self.where * steps))
        return Break(self.at, number, self.signal)


AFTER_SAVE = Place("kill -9 right after a checkpoint", "committed", 0.42)
LATER = Place("kill -9 some steps after one", "step", 0.5)
UPLOADING = Place("kill -9 in an upload", "uploading", 0.42)
IN_STEP = Place("kill -9 in the middle of a step", "optimizer_step", 0.6)
LAST_BATCH = Place("kill -9 in an epoch's last batch", "optimizer_step", 24)
EPOCH_SAVED = Place("kill -9 right after an epoch's checkpoint", "committed", 24)
TERM_STEP = Place("SIGTERM in a step", "step", 0.39, TERM)
TERM_LAST = Place("SIGTERM in an epoch's last batch", "optimizer_step", 24, TERM)
AWAY = Place("W&B away from the middle on", signal=None, away=0.4)
FULL = Place("disk full at a save", signal=None, full=3)

HALF_LAST = Place("SIGTERM in an epoch's last batch", "optimizer_step", 12, TERM)

IN_VALIDATION = Place("kill -9 in a validation", "validation_step", 7)
TERM_VALIDATION = Place("SIGTERM in a validation", "validation_step", 7, TERM)
TERM_VALIDATED = Place("SIGTERM at a validation's end", "on_validation_end", 3, TERM)
AT_END = Place("kill -9 when the training has ended", "on_train_end", 1)
TERM_END = Place("SIGTERM when the training has ended", "on_train_end", 1, TERM)
STOPPED = Place("kill -9 right after the last epoch's checkpoint", "committed", 0.99)

IN_EVALUATION = Place("kill -9 in an evaluation", "on_prediction_step", 2)
TERM_EVALUATION = Place("SIGTERM in an evaluation", "on_prediction_step", 2, TERM)

FEW = (AFTER_SAVE, LATER, TERM_STEP)
MANY = (*FEW, UPLOADING, IN_STEP, LAST_BATCH, EPOCH_SAVED, TERM_LAST)
ENDS = (AT_END, TERM_END, STOPPED)
VALIDATED = (IN_VALIDATION, TERM_VALIDATION, TERM_VALIDATED, LAST_BATCH, EPOCH_SAVED, TERM_LAST)
EVALUATED = (IN_EVALUATION, TERM_EVALUATION, LAST_BATCH, EPOCH_SAVED, TERM_LAST)
AROUND = (AWAY, FULL)
EVERYWHERE = (*MANY, IN_VALIDATION, TERM_VALIDATION, TERM_VALIDATED, *ENDS, *AROUND)
EVERYWHERE_PLAIN = (*MANY, STOPPED, *AROUND)
EVERYWHERE_HF = (*MANY, *ENDS, *AROUND)
