"""The table of the matrix, for a terminal and as markdown."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from proofs.same.run import Came, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST = 240
_MODULES = re.compile(r"^(?:[a-z_]+\.)+(?=[A-Z]\w*Error\b)")
_COLUMNS = (Came.SAME, Came.REFUSED, Came.SAID, Came.SILENT, Came.LOST, Came.UNREACHED)


def by_variant(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.variant, []).append(row)
    return found


def lines_of(rows: Sequence[Row], seconds: float) -> Iterator[str]:
    """For a terminal: a line for each variant, and one for each place that is not the same."""
    for variant, its in by_variant(rows).items():
        counts = Counter(row.came for row in its)
        told = ", ".join(f"{counts[came]} {came}" for came in Came if counts[came])
        yield f"{variant:<50} {told}"
        for row in its:
            if row.came is not Came.SAME:
                yield f"    {row.place}: {row.came}: {row.detail}"
    yield _sum(rows, seconds)


def _sum(rows: Sequence[Row], seconds: float) -> str:
    counts = Counter(row.came for row in rows)
    told = ", ".join(f"{counts[came]} {came}" for came in Came if counts[came])
    return f"{len(by_variant(rows))} variants, {len(rows)} breaks in {seconds:.0f} s: {told}"


def markdown_of(rows: Sequence[Row], seconds: float) -> Iterator[str]:
    """The same as a page: what is the same, what is refused, what differs and says so."""
    yield "# Resumed means the same, or it says so"
    yield ""
    yield _sum(rows, seconds)
    yield ""
    yield "| training | " + " | ".join(_COLUMNS) + " |"
    yield "|---" * (len(_COLUMNS) + 1) + "|"
    for variant, its in by_variant(rows).items():
        counts = Counter(row.came for row in its)
        cells = (str(counts[came] or "") for came in _COLUMNS)
        yield f"| {variant} | " + " | ".join(cells) + " |"
    yield ""
    for variant, its in by_variant(rows).items():
        for came in (one for one in Came if one is not Came.SAME):
            of_kind = [row for row in its if row.came is came]
            if of_kind:
                places = "; ".join(row.place for row in of_kind)
                yield f"- **{variant}** ({places}): {came}. {shortened(of_kind[0].detail)}"


def shortened(detail: str) -> str:
    """The beginning of what was found, without the modules of an exception's type."""
    found = _MODULES.sub("", " ".join(detail.split()))
    return found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
