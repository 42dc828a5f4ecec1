"""Retention beside the wrapper: when it runs, and what fences it. It never fails a training."""

from __future__ import annotations

import logging
import re
from threading import Event
from typing import TYPE_CHECKING

import wandb

from resilient_training.run.background import Background, Broken
from resilient_training.run.deleting import NotNowError, Retention, SupersededError
from resilient_training.run.lineage_objects import LineageObjects, Owner
from resilient_training.run.lineage_versions import LineageVersions
from resilient_training.run.restore import AWAY
from resilient_training.run.run_of_checkpoints import root_of
from resilient_training.run.store_errors import one_line
from resilient_training.tags import Unreadable, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resilient_training.job import Job
    from resilient_training.run.commit import Commits
    from resilient_training.run.host_setup import HostSetup
    from resilient_training.run.stops import Stops
    from resilient_training.tags import JobTagStore

_log = logging.getLogger(__name__)
# How long the end of the wrapper waits for the one request that may be under way.
_END_SECONDS = 5.0
_VERDICT = "resilience:verdict"
_WANTED = ("WANDB_CHECKPOINT_TAG", "WANDB_CHECKPOINT_NAME")
_VERSION = re.compile(r"(?:.*:)?(v[0-9]+)")


class JobFence:
    """Closed by a stop, by the end of the wrapper, and by the controller's verdict on the job."""

    def __init__(self, tags: JobTagStore, is_stopped: Callable[[], bool]) -> None:
        self._tags = tags
        self._is_stopped = is_stopped
        self._closed = Event()

    def close(self) -> None:
        self._closed.set()

    def require_open(self) -> None:
        if self._closed.is_set() or self._is_stopped():
            raise NotNowError("the training ends")

    def wanted(self) -> str | None:
        tags = self._tags.read()
        if isinstance(tags, Unreadable):
            raise NotNowError("the job's tags cannot be read (sagemaker:ListTags)")
        if _VERDICT in tags:
            raise SupersededError("the controller has decided on this job, so it has ended")
        return version_named(tags)


def version_named(tags: Mapping[str, str]) -> str | None:
    """The version (`vN`) from which a person wants the lineage to resume, by number."""
    found = (_VERSION.fullmatch(tags.get(key, "")) for key in _WANTED)
    return next((match[1] for match in found if match is not None), None)


class Keeping:
    """What the first host does for its lineage's storage.

    Args:
        setup: With `--keep N`; without it nothing is ever deleted.
        stops: What asks the command to end; from then on nothing is deleted.
    """

    def __init__(self, setup: HostSetup, stops: Stops) -> None:
        self._setup = setup
        self._call: Background[None] = Background("retention")
        self._stops = stops
        self._fence: JobFence | None = None
        self._retention: Retention | None = None

    def begin(self, commits: Commits) -> None:
        """Call once W&B answers, before the first upload.

        Raises:
            StoreError: the store does not take the claim of this lineage's root.
        """
        objects = self._objects(self._setup.job, commits)
        if objects is not None:
            objects.claim()
        keep = self._setup.settled.options.keep
        if keep is not None:
            self._retention = self._kept(keep, commits, objects)

    def _kept(self, keep: int, commits: Commits, objects: LineageObjects | None) -> Retention:
        job, holder = self._setup.job, self._setup.connection.holder
        self._fence = JobFence(tags_of(job), lambda: self._stops.asked_at is not None)
        versions = LineageVersions(commits.lineage, commits.name)
        return Retention(job, keep, holder, versions, objects, self._fence)

    def _objects(self, job: Job, commits: Commits) -> LineageObjects | None:
        store, lineage = self._setup.store, commits.lineage
        if store is None:
            return None
        # Not the run's settings: the SDK copies them, and what listens for a stop has no copy.
        server = str(wandb.Api().settings["base_url"])
        owner = Owner(server, lineage.entity, lineage.project, lineage.run)
        return LineageObjects(store.client, store.place, root_of(job, lineage), owner)

    def committed(self, _snapshot: object, version: str) -> None:
        """Begin in a thread of its own, unless it still runs for an earlier commit."""
        retention = self._retention
        if retention is None:
            return
        retention.made.append(version)
        self._take(self._call.take())
        if not self._call.busy:
            self._call.start(lambda: _run(retention))

    def close(self) -> None:
        """Begin no deletion any more, and wait a little for the one that was begun."""
        if self._fence is not None:
            self._fence.close()
        self._take(self._call.wait(_END_SECONDS))

    def _take(self, result: object) -> None:
        if isinstance(result, Broken):
            _log.error("--keep: the deletion of checkpoints broke", exc_info=result.error)


def _run(retention: Retention) -> None:
    try:
        retention.run()
    except NotNowError as waits:
        _log.info("--keep: nothing more is deleted before the next commit: %s", waits)
    except (*AWAY, OSError) as error:
        why = one_line(error)
        _log.warning("--keep: nothing more is deleted before the next commit: %s", why)
