"""What W&B's server has of a run's history."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import wandb
from wandb.errors import CommError
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wandb.apis.public import Run as RecordedRun

_log = logging.getLogger(__name__)
_PAGE = 1000
_MOST_PAGES = 50
# ValueError: the server knows no such run, or answers with what is none of W&B's answers.
CANNOT_BE_ASKED = (CommError, WandbApiFailedError, ValueError, TimeoutError, OSError)


def recorded(run: wandb.Run) -> RecordedRun:
    """The run as the server has it.

    Raises:
        CANNOT_BE_ASKED: the server does not say.
    """
    return wandb.Api().run(f"{run.entity}/{run.project}/{run.id}")


class Arrived(Protocol):
    """What has arrived of a run's history where it is kept."""

    def last_step(self) -> int:
        """W&B's own step of the newest row that is there; -1: there is none."""

    def names_since(self, axis: str, since: int) -> dict[int, frozenset[str]]:
        """The names of all metrics by their training step (the metric `axis`), from `since` on."""


@dataclass(frozen=True)
class WandbServer:
    """Asks W&B's server.

    Raises:
        CANNOT_BE_ASKED: the server does not say.
    """

    run: wandb.Run

    def last_step(self) -> int:
        return int(recorded(self.run).lastHistoryStep)

    def names_since(self, axis: str, since: int) -> dict[int, frozenset[str]]:
        """Read rows from the newest backwards, until one is older than `since`."""
        return names_in(_pages(recorded(self.run)), axis, since)


def names_in(
    pages: Iterable[list[dict[str, Any]]], axis: str, since: int
) -> dict[int, frozenset[str]]:
    """The names of all metrics by their training step, out of pages of rows, the newest first."""
    names: defaultdict[int, set[str]] = defaultdict(set)
    for page in pages:
        for step, row in _placed(page, axis):
            names[step].update(_names(row))
        if any(step < since for step, _ in _placed(page, axis)):
            break
    return {step: frozenset(found) for step, found in names.items()}


def _pages(run: RecordedRun) -> Iterator[list[dict[str, Any]]]:
    end = run.lastHistoryStep + 1
    for _ in range(_MOST_PAGES):
        if end <= 0:
            return
        start = max(0, end - _PAGE)
        yield list(run.scan_history(min_step=start, max_step=end, use_cache=False))
        end = start
    _log.warning("a long history: rows before W&B's step %d are not compared", end)


def _placed(page: list[dict[str, Any]], axis: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows that have a training step."""
    for row in page:
        step = row.get(axis)
        if isinstance(step, int | float):
            yield int(step), row


def _names(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in row.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{key}.")
