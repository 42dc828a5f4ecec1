"""The run of checkpoints in W&B, begun when it is first needed and by whoever needs it first."""

from __future__ import annotations

import logging
import secrets
from threading import Lock
from typing import TYPE_CHECKING

from resilient_training.run.commit import Commits
from resilient_training.run.run_of_checkpoints import HOLDER, begin_run

if TYPE_CHECKING:
    from collections.abc import Callable

    import wandb

    from resilient_training.job import Job

_log = logging.getLogger(__name__)


class Connection:
    """W&B, as far as the wrapper logs to it.

    Nothing is asked of W&B before it is needed: the command starts, and its checkpoints are kept
    from rotation, while W&B is slow or away.

    Args:
        job: Whose checkpoints are committed.
        run_id: Of the run that the training logs to.
        stop: Is called, in a thread of the SDK's, when a person stops the run of checkpoints.
    """

    def __init__(self, job: Job, run_id: str, stop: Callable[[], None]) -> None:
        self._job = job
        self._run_id = run_id
        self._stop = stop
        self._lock = Lock()
        self._run: wandb.Run | None = None
        self.begun: Commits | None = None
        self.holder = secrets.token_hex(8)

    def commits(self) -> Commits:
        """Where checkpoints are looked up and committed.

        Raises:
            AWAY: W&B does not answer.
            CollectionError: the launch names another place for the checkpoints.
            wandb.errors.UsageError: there is no key.
        """
        with self._lock:
            if self.begun is None:
                self._run = self._run or self._begin()
                self.begun = Commits(self._run, self._job)
            return self.begun

    def uploaded_bytes(self) -> int | None:
        """A number that changes while an upload to W&B moves; None: nobody can see it."""
        return None if self.begun is None else self.begun.uploaded_bytes()

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()

    def _begin(self) -> wandb.Run:
        place = self._job.collection
        entity, project = place.split("/")[:2] if place is not None else (None, None)
        run = begin_run(self._run_id, entity, project, stop=self._stop)
        # Whoever comes later writes another word: so an orphan of this lineage sees it, and stops
        # deleting what it would keep no longer (retention.py).
        run.config.update({HOLDER: self.holder}, allow_val_change=True)  # type: ignore[no-untyped-call]  # the SDK says no types here
        return run
