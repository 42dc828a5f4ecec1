"""Whether another process writes to the same W&B run."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from resilient_training.arrived import CANNOT_BE_ASKED, recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import wandb

_log = logging.getLogger(__name__)

MARK = "resilience_writer"
TWO_WRITERS = "resilience_two_writers"
_ID = secrets.token_hex(8)
_SINCE = time.time()


class Writer:
    """This process's mark in the config of a run, and what it finds there instead of it.

    The later process marks the run last, and the earlier one sees that when it looks. A mark that
    is older than ours is either of a process that ended just before ours began, whose service wrote
    it late, or of a live one that wrote its config again: so it is replaced, and the live one sees
    ours. The words of the process that has seen it first tell the other, by its id. Whatever writes
    the config of the other one again takes them away, so they are written until they stay.
    """

    def __init__(self, run: wandb.Run, *, identity: str = _ID, since: float = _SINCE) -> None:
        self.run = run
        self._words: dict[str, Any] | None = None
        self._own: dict[str, Any] = {
            "id": identity,
            "since": since,
            "process": f"{os.getpid()} on {socket.gethostname()}",
        }

    @property
    def said(self) -> bool:
        """Whether this process has said that there are two."""
        return self._words is not None

    def mark(self) -> None:
        self._write({MARK: self._own})

    def look(self) -> None:
        """Ask W&B for the mark; once, a line and a key in the config say that there are two."""
        try:
            config = recorded(self.run).config
        except CANNOT_BE_ASKED as error:
            _log.debug("W&B does not say who writes to the run: %s", error)
            return
        named, other = words_about(config, self._own["id"]), other_writer(config, self._own)
        if self._words is not None:
            if named is None:
                self._write({TWO_WRITERS: self._words})
        elif named is not None:
            self._say(named)
        elif other is None:
            return
        elif other["since"] > self._own["since"]:
            self._say(self._words_with(other))
        else:
            self.mark()

    def _words_with(self, other: Mapping[str, Any]) -> dict[str, Any]:
        both = (self._own, other)
        return {
            "processes": " and ".join(f"process {one['process']}" for one in both),
            "ids": [one["id"] for one in both],
        }

    def _say(self, words: dict[str, Any]) -> None:
        self._words = words
        _log.warning(
            "TWO PROCESSES write to the W&B run %s: %s. Their rows and checkpoints are mixed:"
            " end one of them",
            self.run.id,
            words["processes"],
        )
        self._write({TWO_WRITERS: words})

    def _write(self, shown: dict[str, Any]) -> None:
        self.run.config.update(shown, allow_val_change=True)  # type: ignore[no-untyped-call]  # of wandb


def other_writer(config: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The mark of another process; anybody may edit a config, so it may be none at all."""
    mark = config.get(MARK)
    if not isinstance(mark, dict) or mark.get("id") == own["id"]:
        return None
    known = (
        isinstance(mark.get("since"), int | float)
        and isinstance(mark.get("process"), str)
        and isinstance(mark.get("id"), str)
    )
    return mark if known else None


def words_about(config: Mapping[str, Any], identity: str) -> dict[str, Any] | None:
    """What another process wrote of itself and the process of this id; None: nothing."""
    words = config.get(TWO_WRITERS)
    if not isinstance(words, dict) or not isinstance(words.get("processes"), str):
        return None
    ids = words.get("ids")
    return words if isinstance(ids, list) and identity in ids else None
