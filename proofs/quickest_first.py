"""A plugin of pytest, for mutmut: the quickest tests run first, since one that fails is enough.

mutmut names the tests of a function in no order, and the slowest take a hundred times as long.
"""

import json
from functools import cache
from pathlib import Path

import pytest

_TIMES = Path("mutmut-stats.json")  # mutmut's, there once it has run all tests


@cache
def _seconds() -> dict[str, float]:
    """Read once before mutmut forks: the file is large, and each mutant is a process."""
    seconds: dict[str, float] = json.loads(_TIMES.read_text(encoding="utf-8"))["duration_by_test"]
    return seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _TIMES.exists():
        items.sort(key=lambda item: _seconds().get(item.nodeid, 0))
