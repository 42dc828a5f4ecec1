"""What is equal in two trainings: what one ended with against what the other did."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from resilient_training.check.batches import batches_in
from resilient_training.check.rows import rows_in
from resilient_training.check.states import State, equal, gap, state_in
from resilient_training.check.store import FolderStore
from resilient_training.history import AXIS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_CLOCKS = re.compile(r"_(timestamp|runtime|wandb)|.*_runtime|.*_per_second|.*time/.*|epoch_time")


@dataclass(frozen=True)
class Part:
    """One line of the table. `same` is None where there is nothing to compare."""

    name: str
    same: bool | None
    detail: str = ""


@dataclass(frozen=True)
class Records:
    """What one training left, over all its processes.

    Attributes:
        folder: Of the check: store, rows, batches, notices.
        results: Files that the training wrote at its end, to be compared as well.
    """

    folder: Path
    results: Mapping[str, Path]

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "store")

    def steps(self) -> int:
        """How many steps were made, as far as the data tell; else as the store does."""
        made = [step for step, _ in batches_in(self.folder / "batches.jsonl")]
        return max([*made, *self.store.steps()], default=0)

    def notices(self) -> list[str]:
        file = self.folder / "notices.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return list(dict.fromkeys(json.loads(line) for line in lines))


def compare(whole: Records, broken: Records) -> list[Part]:
    """Line by line, with the first difference of each.

    Raises:
        pickle.UnpicklingError: a checkpoint holds more than tensors and plain values.
    """
    return [
        _steps(whole, broken),
        *_states(whole, broken),
        _best(whole, broken),
        _batches(whole, broken),
        _history(whole.folder / "rows.jsonl", broken.folder / "rows.jsonl"),
        *(result_part(name, whole, broken) for name in whole.results),
    ]


def _steps(whole: Records, broken: Records) -> Part:
    steps = whole.steps(), broken.steps()
    detail = "" if steps[0] == steps[1] else f"{steps[0]} unbroken, {steps[1]} resumed"
    return Part("steps", steps[0] == steps[1], detail)


def _best(whole: Records, broken: Records) -> Part:
    best = whole.store.best_step(), broken.store.best_step()
    if best == (None, None):
        return Part("best checkpoint", None, "none was measured")
    detail = "" if best[0] == best[1] else f"of step {best[0]} unbroken, {best[1]} resumed"
    return Part("best checkpoint", best[0] == best[1], detail)


def _states(whole: Records, broken: Records) -> list[Part]:
    files = whole.store.newest(), broken.store.newest()
    if files[0] is None or files[1] is None:
        return [Part("weights", None, "no checkpoint")]
    one, other = state_in(files[0]), state_in(files[1])
    return [_group(name, one, other) for name in one]


def _group(name: str, one: State, other: State) -> Part:
    mine, others = one[name], other[name]
    if not mine and not others:
        return Part(name, None, "there are none")
    return Part(name, *_first_difference(mine, others))


def _first_difference(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[bool, str]:
    missing = sorted(one.keys() ^ other.keys())
    differing = [key for key in one if key in other and not equal(one[key], other[key])]
    if not differing and not missing:
        return True, ""
    first = differing[0] if differing else missing[0]
    how = gap(one[first], other[first]) if differing else "is in one of them only"
    rest = len(differing) + len(missing) - 1
    return False, f"{first}: {how}" + (f"; {rest} more" if rest else "")


def _batches(whole: Records, broken: Records) -> Part:
    expected = dict(batches_in(whole.folder / "batches.jsonl"))
    seen = batches_in(broken.folder / "batches.jsonl")
    if not expected or not seen:
        return Part("data order", None, "cannot be told: no module was given a tensor")
    wrong = [step for step, digest in seen if expected.get(step, digest) != digest]
    skipped = sorted(expected.keys() - {step for step, _ in seen})
    if wrong:
        return Part("data order", same=False, detail=f"first in step {wrong[0]}")
    if skipped:
        return Part("data order", same=False, detail=f"step {skipped[0]} was never made")
    return Part("data order", same=True)


def _history(whole: Path, broken: Path) -> Part:
    expected, found = _counted(rows_in(whole)), _counted(rows_in(broken))
    missing, extra = expected - found, found - expected
    if not expected and not found:
        return Part("history", None, "no row was logged")
    told = [
        *([f"missing: {_named(missing)}"] if missing else []),
        *([f"too many: {_named(extra)}"] if extra else []),
    ]
    return Part("history", not told, "; ".join(told))


def _counted(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Each row by its place on the axis of all charts; W&B's own number where it has none."""
    return Counter(json.dumps(_placed(row), sort_keys=True) for row in rows)


def _placed(row: Mapping[str, Any]) -> dict[str, Any]:
    numbered = {"_step"} if AXIS in row else set()
    return {
        key: _content(value)
        for key, value in row.items()
        if key not in numbered and not _CLOCKS.fullmatch(key)
    }


def _content(value: object) -> object:
    """A picture or a table by its kind: W&B names its file anew in each process."""
    return value["_type"] if isinstance(value, dict) and "_type" in value else value


def _named(rows: Counter[str]) -> str:
    row = json.loads(next(iter(rows)))
    names = ", ".join(key for key in row if key not in {AXIS, "_step", "epoch"})
    more = f" and {rows.total() - 1} more" if rows.total() > 1 else ""
    return f"row {row.get(AXIS, row.get('_step'))} ({names[:60]}){more}"


def result_part(name: str, whole: Records, broken: Records) -> Part:
    """Compare a file that both trainings wrote."""
    files = whole.results[name], broken.results[name]
    there = [file.exists() for file in files]
    if there == [False, False]:
        return Part(name, None, "not written by then")
    if there != [True, True]:
        return Part(name, same=False, detail="only one of them wrote it")
    if files[0].read_bytes() == files[1].read_bytes():
        return Part(name, same=True)
    if not all(is_zipfile(file) for file in files):
        return Part(name, same=False, detail="other bytes")
    return Part(name, *_first_difference(*(_flat_file(file) for file in files)))


def _flat_file(file: Path) -> dict[str, object]:
    return {key: value for group in state_in(file).values() for key, value in group.items()}


def differing(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.same is False]
