"""Losses in what a training prints, whichever framework prints them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Place = tuple[float, float]

_MOST_CHARACTERS = 2000
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# `'loss': '1.2'`, `loss=1.2`, `lm loss: 6.5E+00`, `Loss 6.9 (7.0)`, `train/loss: 1.2`.
_LOSS = re.compile(
    rf"""(?<![\w./-])(?P<name>(?:[a-z][\w./-]*[./_-])?loss(?:_step|_avg)?)['"]?
    (?:\s*\([^)\d]*\))?(?:\s*[:=]\s*|\s+(?:is\s+)?)['"]?(?P<value>{_NUMBER})(?![\w.])""",
    re.VERBOSE | re.IGNORECASE,
)
_NOT_OF_TRAINING = re.compile(
    r"(?:^|[\W_])(?:e?val\w*|test\w*|dev|best|min)(?:$|[\W_])", re.IGNORECASE
)
_COUNT = r"\d{1,3}(?:,\d{3})+|\d+"
_STEP = re.compile(
    rf"""(?<![\w/])(?:(?:global|train|optimizer)[_/ ])?(?:step|iteration|iter|batch|update)s?['"]?
    \s*[:=\#]?\s*[\[(]?\s*['"]?\s*(?P<step>{_COUNT})(?!\.?\d)""",
    re.VERBOSE | re.IGNORECASE,
)
# A progress bar of tqdm (`450/1000 [12:34<…`), or Keras's (`12/100 ━━━ …`).
_BAR = re.compile(r"(?<![\w./])(?P<step>\d+)/(?:\d+|\?)(?=[\s\]])")
_EPOCH = re.compile(
    r"""(?<![\w/])epoch['"]?\s*[:=\#]?\s*[\[(]?\s*['"]?\s*(?P<epoch>\d+(?:\.\d+)?)""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Loss:
    """One loss that was printed.

    Attributes:
        source: The stream and the name of the number: only what is alike can be compared.
        text: As it was printed; `value` is the number.
        epoch, step: What the same line says of them; None: it says nothing.
        at: When it was read, in seconds of the wall clock.
    """

    source: tuple[str, str]
    text: str
    epoch: float | None = None
    step: int | None = None
    at: float = 0.0

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def place(self) -> Place | None:
        """Sorts by the progress of the training; None: the line names no step and no epoch."""
        if self.epoch is None and self.step is None:
            return None
        return (
            -1.0 if self.epoch is None else self.epoch,
            -1.0 if self.step is None else float(self.step),
        )

    @property
    def where(self) -> str:
        words = [] if self.epoch is None else [f"epoch {self.epoch:g}"]
        words += [] if self.step is None else [f"step {self.step}"]
        return ", ".join(words)

    @property
    def digits(self) -> int:
        """How many significant digits were printed."""
        mantissa = re.split(r"[eE]", self.text.lstrip("+-"))[0].replace(".", "").lstrip("0")
        return max(1, len(mantissa))


def loss_in(line: str, stream: str = "out", at: float = 0.0) -> Loss | None:
    """The first training loss that a line shows; None: it shows none."""
    text = _COLOUR.sub("", line[:_MOST_CHARACTERS])
    for found in _LOSS.finditer(text):
        before = text[max(0, found.start() - 12) : found.start()].rstrip("'\" ")
        if _NOT_OF_TRAINING.search(f"{before.split(' ')[-1]} ") or _NOT_OF_TRAINING.search(
            found["name"]
        ):
            continue
        value = str(found["value"]).lower()
        return Loss((stream, found["name"].lower()), value, _epoch_in(text), _step_in(text), at)
    return None


def _step_in(text: str) -> int | None:
    found = _STEP.search(text) or _BAR.search(text)
    return None if found is None else int(found["step"].replace(",", ""))


def _epoch_in(text: str) -> float | None:
    found = _EPOCH.search(text)
    return None if found is None else float(found["epoch"])


def main_source(losses: Iterable[Loss]) -> tuple[str, str] | None:
    """The series that has the most losses; None: there are none."""
    counted = Counter(loss.source for loss in losses)
    return max(counted, key=lambda source: counted[source], default=None)


def series(losses: Iterable[Loss], source: tuple[str, str] | None) -> list[Loss]:
    """The losses of one source. What a progress bar shows again counts once."""
    found: list[Loss] = []
    for loss in losses:
        again = bool(found) and loss.place is not None
        if again and (found[-1].place, found[-1].text) == (loss.place, loss.text):
            continue
        if loss.source == source:
            found.append(loss)
    return found


def has_places(losses: Sequence[Loss]) -> bool:
    """Whether losses can be told apart by what their lines say of step and epoch.

    Not where the steps of each epoch begin anew and no epoch is printed.
    """
    places = [loss.place for loss in losses]
    if not places or None in places:
        return False
    known = [place for place in places if place is not None]
    if _begins_anew(known):
        return False
    stepped = all(loss.step is not None for loss in losses)
    return stepped or len(set(known)) * 5 >= len(known) * 4


def _begins_anew(places: Sequence[Place]) -> bool:
    seen: set[Place] = set()
    for place in places:
        # Processes that print at once are apart by a step or two.
        if len(seen) > 2 and place <= min(seen):  # noqa: PLR2004
            return True
        seen.add(place)
    return False
