"""Checkpoints on their way to W&B: one at a time, and never a queue."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.background import Background, Broken, Done
from resilient_training.run.ports import Committed, NotCommitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resilient_training.run.ports import Snapshot

    Commit = Callable[[Snapshot], Committed | NotCommitted]

_log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 15.0
_LAST_RETRY_SECONDS = 600.0


@dataclass(frozen=True)
class _Waiting:
    snapshot: Snapshot
    failures: int = 0
    not_before: float = 0.0


class Outbox:
    """Commits the newest checkpoint that is not in W&B yet.

    One that is overtaken before its upload begins is dropped. One whose upload has begun is not
    given up. One that failed is tried again, ever less often, until another overtakes it.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._call: Background[Committed | NotCommitted] = Background("commit")
        self._waiting: _Waiting | None = None
        self._under_way: _Waiting | None = None
        self.committed = 0

    @property
    def is_empty(self) -> bool:
        return self._waiting is None and self._under_way is None

    def put(self, snapshots: Iterable[Snapshot]) -> None:
        """Take new checkpoints, the oldest first."""
        for snapshot in snapshots:
            if self._waiting is not None:
                self._drop(self._waiting.snapshot, snapshot)
            self._waiting = _Waiting(snapshot)

    def tick(self, now: float) -> None:
        """Take a result if there is one, and begin the next upload if it is time to."""
        result = self._call.take()
        if result is not None and self._under_way is not None:
            begun, self._under_way = self._under_way, None
            self._settle(begun, result, now)
        due = self._waiting is not None and now >= self._waiting.not_before
        if due and not self._call.busy:
            self._under_way, self._waiting = self._waiting, None
            self._begin()

    def hurry(self) -> None:
        """Try one that failed at once: the command has ended, and nothing will overtake it."""
        if self._waiting is not None:
            self._waiting = _Waiting(self._waiting.snapshot, self._waiting.failures)

    def _begin(self) -> None:
        begun = self._under_way
        if begun is not None:
            self._call.start(lambda: self._commit(begun.snapshot))

    def _settle(
        self, begun: _Waiting, result: Done[Committed | NotCommitted] | Broken, now: float
    ) -> None:
        name = begun.snapshot.name
        if isinstance(result, Broken):
            _log.error("the commit of %s broke", name, exc_info=result.error)
            self._keep(begun, result.why, now)
            return
        match result.value:
            case Committed(version):
                self.committed += 1
                _log.info("checkpoint %s is committed as %s", name, version)
                begun.snapshot.remove()
            case NotCommitted(why):
                self._keep(begun, why, now)

    def _keep(self, failed: _Waiting, why: str, now: float) -> None:
        _log.warning("checkpoint %s is NOT in W&B: %s", failed.snapshot.name, why)
        if self._waiting is not None:
            self._drop(failed.snapshot, self._waiting.snapshot)
            return
        pause = min(_FIRST_RETRY_SECONDS * 2**failed.failures, _LAST_RETRY_SECONDS)
        self._waiting = _Waiting(failed.snapshot, failed.failures + 1, now + pause)

    @staticmethod
    def _drop(old: Snapshot, new: Snapshot) -> None:
        _log.warning("checkpoint %s is dropped: %s overtook it", old.name, new.name)
        old.remove()
