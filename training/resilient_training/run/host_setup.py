"""What the parts of a host are made from, whichever of how many hosts it is."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.beginning import newest_allowed
from resilient_training.run.inspection import require_harmless
from resilient_training.run.layouts import layout_named
from resilient_training.run.placing import put_in_place
from resilient_training.run.pointers import point_to
from resilient_training.run.ports import Parts
from resilient_training.run.restore import Destination
from resilient_training.run.restorer import Restorer
from resilient_training.run.run_of_lineage import RunOfLineage, server_from
from resilient_training.run.tidy import move_aside
from resilient_training.tags import JobMarks, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from resilient_training.job import Job
    from resilient_training.run.command import Settled
    from resilient_training.run.connection import Connection
    from resilient_training.run.file_list import FileList
    from resilient_training.run.layout import Layout
    from resilient_training.run.ports import Delivery, Watching
    from resilient_training.run.restore import Restored
    from resilient_training.run.store import S3Store
    from resilient_training.run.watch import Watch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostSetup:
    """One job on one of its hosts; `snapshots` is where snapshots are made."""

    settled: Settled
    layout: Layout | None
    snapshots: Path
    connection: Connection
    store: S3Store | None

    @property
    def job(self) -> Job:
        return self.settled.job

    @property
    def parent(self) -> Path:
        return self.settled.options.checkpoints

    @property
    def destination(self) -> Destination:
        return destination_in(self.parent)

    def tidy(self) -> Sequence[str]:
        """Move aside what must not be resumed from.

        Of several hosts, too, only what this disk holds in full may stay: else the hosts would find
        different ones, or each a part of one that nobody can load.
        """
        newest = newest_allowed(self.job)
        return move_aside(self.parent, self.layout, self.settled.processes, newest)

    def parts(
        self,
        watch: Watching,
        delivery: Delivery,
        restore: Callable[[], Restored | None],
        tidy: Callable[[], Sequence[str]],
    ) -> Parts:
        restorer = Restorer(restore, self.settled.options.resume_arguments)
        return Parts(
            watch=watch,
            tidy=tidy,
            restore=restorer.restore,
            delivery=delivery,
            resume_arguments=restorer.arguments,
            lineage=lineage_from(os.environ, self.job, self.settled.run_id),
            marks=MarksOfJob(JobMarks(tags_of(self.job))),
        )


def destination_in(parent: Path) -> Destination:
    """Where the framework looks for its checkpoints, and for what names the newest one."""

    def settle(found: Path, files: FileList) -> Path:
        return put_in_place(found, parent, layout_named(files.layout), files.folder)

    def keep(files: FileList) -> None:
        point_to(parent, layout_named(files.layout), files.folder)

    return Destination(parent, require_harmless, settle, keep)


def know_what_is_there(watch: Watch, restored: Restored | None) -> None:
    """What lies there before the command starts is none of the checkpoints that it makes."""
    watch.mark_all_seen()
    if restored is not None:
        watch.mark_seen(restored.folder.name, restored.step)


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
