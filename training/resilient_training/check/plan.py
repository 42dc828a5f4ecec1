"""What the check asks of the training that it watches: one file, named by one variable.

The variable is private to the check. Outside a check nobody sets it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "RESILIENT_TRAINING_CHECK"


@dataclass(frozen=True)
class Break:
    """A signal that the training sends to itself.

    Attributes:
        place: `step` (its number-th optimizer step is made, and not yet saved), `uploading` and
            `committed` (of the first checkpoint of that step or a later one), or a name that the
            training reports itself.
        number: From 1; for a reported name, the how-manieth time.
        signal: SIGKILL or SIGTERM.
    """

    place: str
    number: int
    signal: int

    def is_at(self, place: str, number: int) -> bool:
        return place == self.place and number >= self.number


@dataclass(frozen=True)
class Plan:
    """What one process of a check does.

    Attributes:
        folder: Holds the store and the records of one training, over all its processes.
        stored: Whether `folder` is the store. False: W&B is, and only the breaks are made.
        save_at: The steps to save at, besides epochs' ends. None: as the training plans it.
        end_at: The step after which the training ends, saved. None: its own end.
        lost_rows: How many of the newest rows of the history a kill takes.
        away_from: From this step on no checkpoint can be committed. None: each can.
    """

    folder: Path
    stored: bool = True
    save_at: tuple[int, ...] | None = None
    end_at: int | None = None
    break_at: Break | None = None
    lost_rows: int = 3
    away_from: int | None = None

    @classmethod
    def read(cls, file: Path) -> Self:
        told = json.loads(file.read_text())
        told["folder"] = Path(told["folder"])
        told["save_at"] = None if told["save_at"] is None else tuple(told["save_at"])
        told["break_at"] = None if told["break_at"] is None else Break(**told["break_at"])
        return cls(**told)

    def write(self, file: Path) -> None:
        told = asdict(self)
        told["folder"] = str(self.folder)
        file.write_text(json.dumps(told))


def plan_in(environment: Mapping[str, str]) -> Plan | None:
    """The plan of the check that this process is part of; None outside a check."""
    file = environment.get(VARIABLE)
    return Plan.read(Path(file)) if file else None
