"""How figures are shown: one table a question, medians, and how they compare."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median as middle


@dataclass(frozen=True, slots=True)
class Report:
    """One table. The first column names what was measured; the notes say how."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def text(report: Report) -> str:
    """Write it as Markdown that reads well as it is, however wide: it is meant to be kept."""
    rows = [report.columns, *report.rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(report.columns))]
    rule = "|".join(
        "-" * (width + 1) + (":" if index else "-") for index, width in enumerate(widths)
    )
    lines = [_line(row, widths) for row in rows]
    table = "\n".join([lines[0], f"|{rule}|", *lines[1:]])
    notes = "\n".join(f"- {note}" for note in report.notes)
    return f"\n### {report.title}\n\n{table}\n" + (f"\n{notes}\n" if notes else "")


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if index else cell.ljust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def milliseconds(seconds: Iterable[float]) -> str:
    """Show the median."""
    return f"{middle(seconds) * 1000:.1f}"


def megabytes(sizes: Iterable[float]) -> str:
    """Show the median."""
    return f"{middle(sizes):.1f}"


def whole(counts: Iterable[float]) -> str:
    """Show the median, and the extremes where they differ from it."""
    known = sorted(counts)
    low, high = round(known[0]), round(known[-1])
    shown = f"{middle(known):g}"
    return shown if low == high else f"{shown} ({low}-{high})"


def ratio(one: Iterable[float], other: Iterable[float]) -> str:
    """Show how many times the median of `other` is the median of `one`."""
    return f"{middle(other) / middle(one):.1f}x"
