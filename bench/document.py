"""The page that keeps the tables: what stands above the mark is a person's, below it ours."""

from collections.abc import Sequence
from pathlib import Path

MARK = "<!-- What follows is written by `python -m bench --into` this file. -->"


class NoMarkError(ValueError):
    """The page has no place for the tables; it is left as it is."""


def check(page: Path) -> None:
    if not page.is_file() or MARK not in page.read_text():
        raise NoMarkError(f"{page} needs a line that says {MARK}")


def write(page: Path, tables: Sequence[str]) -> None:
    above, _, _ = page.read_text().partition(MARK)
    page.write_text(above + MARK + "\n" + "".join(tables))
