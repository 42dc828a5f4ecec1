"""Puts the wrapper's parts together for one job."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.connection import Connection
from resilient_training.run.delivery import Delivery
from resilient_training.run.hidden import hidden_folder
from resilient_training.run.host_setup import HostSetup, know_what_is_there
from resilient_training.run.joined_delivery import CommittingDelivery
from resilient_training.run.keeping import Keeping
from resilient_training.run.layouts import LAYOUTS, layout_named
from resilient_training.run.place import place_from
from resilient_training.run.ports import Committed, NotCommitted
from resilient_training.run.restore import restore
from resilient_training.run.store import S3Store, s3_client
from resilient_training.run.watch import Watch
from resilient_training.run.wiring_hosts import Meeting, parts_of_first_host, parts_of_other_host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resilient_training.job import Job
    from resilient_training.run.command import Settled
    from resilient_training.run.commit import Commits
    from resilient_training.run.ports import Parts, Snapshot
    from resilient_training.run.restore import Restored
    from resilient_training.run.stops import Stops

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RealWiring:
    """Layouts by their table, W&B by its SDK, the store by boto3."""

    layouts: Sequence[str] = tuple(layout.name for layout in LAYOUTS)

    def parts(self, settled: Settled, stops: Stops) -> Parts:
        options, job = settled.options, settled.job
        setup = HostSetup(
            settled,
            None if options.layout is None else layout_named(options.layout),
            hidden_folder(options.checkpoints, f"snapshots-{settled.hosts.current}"),
            Connection(job, settled.run_id or "", stops.stop_by_user),
            None if options.store is None else _store(options.store, os.environ, job),
        )
        keeping = Keeping(setup, stops)
        if settled.hosts.count == 1:
            return _parts_of_one_host(setup, keeping)
        meeting = Meeting.of(setup)
        if settled.hosts.is_first:
            return parts_of_first_host(setup, meeting, keeping)
        return parts_of_other_host(setup, meeting)


def _store(url: str, environment: Mapping[str, str], job: Job) -> S3Store:
    launched = environment.get("RESILIENCE_STORE")
    trusted = (place_from(launched),) if launched else ()
    return S3Store(s3_client(job.region), place_from(url), trusted)


def _parts_of_one_host(setup: HostSetup, keeping: Keeping) -> Parts:
    processes = setup.settled.processes
    watch = Watch(setup.parent, setup.layout, processes, setup.snapshots)

    def begin() -> Restored | None:
        restored = restore(setup.job, setup.connection.commits(), setup.store, setup.destination)
        know_what_is_there(watch, restored)
        return restored

    def deliver(commits: Commits) -> Delivery:
        keeping.begin(commits)
        return Delivery(commits, setup.store, processes)

    committed, closing = keeping.committed, keeping.close
    delivery = CommittingDelivery(setup.connection, setup.store, deliver, committed, closing)
    if _stores_nothing(os.environ):
        _log.warning("W&B is offline or disabled: no checkpoint is brought to W&B or the store")
        # Who pinned a version chose where to begin: it is that one or an error.
        start = _nothing if setup.job.pin is None else begin
        return setup.parts(_Unwatched(), _Undelivered(), start, setup.tidy)
    return setup.parts(watch, delivery, begin, setup.tidy)


def _stores_nothing(environment: Mapping[str, str]) -> bool:
    return environment.get("WANDB_MODE", "online") != "online"


def _nothing() -> Restored | None:
    return None


class _Unwatched:
    def found(self, *, final: bool = False) -> Sequence[Snapshot]:  # noqa: ARG002 - of Watching
        return []


class _Undelivered:
    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        return NotCommitted(f"nobody takes {snapshot.name}")

    def moved(self) -> object:
        return None

    def close(self) -> None:
        """There is no run to be finished."""
