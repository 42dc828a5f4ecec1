"""Puts the wrapper's parts together for one job.

TO BE WIRED by whoever joins the pieces: `layouts`, and the watch, tidying, restore and delivery in
`parts`. Until then nothing is watched, restored or uploaded, and a log line says so.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.ports import Committed, NotCommitted, Parts
from resilient_training.run.resume_arguments import words_for
from resilient_training.run.run_of_lineage import RunOfLineage, server_from
from resilient_training.tags import JobMarks, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resilient_training.job import Job
    from resilient_training.run.command import Settled
    from resilient_training.run.ports import Restored, Snapshot
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RealWiring:
    layouts: Sequence[str] = ()

    def parts(self, settled: Settled, stops: Stops) -> Parts:  # noqa: ARG002 - for the run's stop_fn
        _log.warning("this resilient-run is not wired: no checkpoint is watched or restored")
        template = settled.options.resume_arguments or ""
        return Parts(
            watch=_Unwired(),
            tidy=list,
            restore=_nothing,
            delivery=_Unwired(),
            resume_arguments=lambda folder: words_for(template, folder),
            lineage=lineage_from(os.environ, settled.job, settled.run_id),
            marks=MarksOfJob(JobMarks(tags_of(settled.job))),
        )


def _nothing() -> Restored | None:
    return None


class _Unwired:
    def found(self, *, final: bool = False) -> Sequence[Snapshot]:  # noqa: ARG002 - of Watching
        return []

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        return NotCommitted(f"nobody takes {snapshot.name}")

    def moved(self) -> object:
        return None

    def close(self) -> None:
        return


@dataclass(frozen=True)
class MarksOfJob:
    """The completion mark alone: the launcher names the place of the checkpoints."""

    marks: JobMarks

    def begun(self) -> None:
        self.marks.begun(None)

    def completed(self) -> None:
        self.marks.completed()


def lineage_from(
    environment: Mapping[str, str], job: Job, run_id: str | None
) -> RunOfLineage | None:
    """The run that the training logs to; None: nobody knows which one, or W&B is not asked."""
    server = server_from(environment)
    entity, project = _place(environment, job)
    if server is None or project is None or run_id is None:
        _log.info("a stop in W&B of the training's own run is not seen: its place is not known")
        return None
    return RunOfLineage(server, entity, project, run_id)


def _place(environment: Mapping[str, str], job: Job) -> tuple[str | None, str | None]:
    if job.collection is not None:
        entity, project, _ = job.collection.split("/")
        return entity, project
    return environment.get("WANDB_ENTITY") or None, environment.get("WANDB_PROJECT") or None
