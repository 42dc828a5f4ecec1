"""Puts the wrapper's parts together on one of several hosts, each with a disk of its own."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.job import Pin
from resilient_training.run.agreement import Arriving, Calling
from resilient_training.run.announced import Announced
from resilient_training.run.board import S3Board, SealedBoard
from resilient_training.run.commit import Pinned
from resilient_training.run.delivery import key_of, new_word
from resilient_training.run.gathering import HostsMissingError, Waiting, gathered, joined
from resilient_training.run.host_setup import know_what_is_there
from resilient_training.run.joined_delivery import CommittingDelivery, PartsDelivery
from resilient_training.run.meeting import FirstHost, OtherHost
from resilient_training.run.messages import Chosen
from resilient_training.run.place import Place
from resilient_training.run.ports import AwayError
from resilient_training.run.processes import ranks_here
from resilient_training.run.restore import restore, restore_pinned
from resilient_training.run.run_of_checkpoints import Lineage, root_of
from resilient_training.run.several_hosts import FirstDelivery, Part, PartDelivery, keys_of
from resilient_training.run.store_errors import StoreError
from resilient_training.run.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_training.job import Job
    from resilient_training.run.board import Board
    from resilient_training.run.commit import Commits
    from resilient_training.run.host_setup import HostSetup
    from resilient_training.run.keeping import Keeping
    from resilient_training.run.ports import Parts, Snapshot
    from resilient_training.run.restore import Restored
    from resilient_training.run.store import S3Store

_log = logging.getLogger(__name__)
# What one try waits for another host; the wrapper's loop tries again.
_WAITING = Waiting(patience=60.0, look=0.5)


@dataclass(frozen=True)
class Meeting:
    """Where this host meets the others."""

    store: S3Store
    board: Board
    part: Part
    others: tuple[str, ...]

    @classmethod
    def of(cls, setup: HostSetup) -> Meeting:
        """Raise ValueError where there is no store; the command line has refused that before."""
        store, hosts = setup.store, setup.settled.hosts
        if store is None:
            raise ValueError("several hosts need a store")
        root = root_of(setup.job, Lineage("", "", setup.settled.run_id or ""))
        prefix = f"{store.place.key(key_of(setup.job, root, 'meet'))}/"
        return cls(
            store,
            board_of(setup.job, S3Board(store.client, Place(store.place.bucket, prefix))),
            Part(hosts.current, root, setup.settled.processes),
            tuple(name for name in hosts.names if name != hosts.current),
        )


def board_of(job: Job, board: Board) -> Board:
    """The board, sealed where the launch gave the job a token."""
    return board if job.token is None else SealedBoard(board, job.token, job.name or "")


def parts_of_first_host(setup: HostSetup, meeting: Meeting, keeping: Keeping) -> Parts:
    """It chooses what all restore, sees when a checkpoint is complete, and commits it."""
    settled, round_ = setup.settled, new_word()
    here = ranks_here(settled.processes, settled.hosts)
    watch = Watch(setup.parent, setup.layout, settled.processes, setup.snapshots, here=here)
    calling = Calling(meeting.board, meeting.others, round_)
    keys = keys_of(meeting.store, setup.job, meeting.part.root)
    first = FirstHost(meeting.board, meeting.others, round_, keys)

    def begin() -> Restored | None:
        calling.call()  # the others come while this host restores
        commits = setup.connection.commits()
        restored = restore(setup.job, commits, setup.store, setup.destination)
        with _hosts_may_come():
            calling.begin(gathered(calling, _WAITING), _chosen(commits, restored, setup.job.pin))
        know_what_is_there(watch, restored)
        return restored

    def deliver(commits: Commits) -> FirstDelivery:
        keeping.begin(commits)
        return FirstDelivery(commits, meeting.store, first, meeting.part)

    def committed(snapshot: Snapshot, version: str) -> None:
        try:
            first.tell_kept(snapshot.step or 0, [path.name for path in setup.parent.iterdir()])
        except (StoreError, OSError) as error:
            _log.warning("the other hosts are not told what they may delete: %s", error)
        keeping.committed(snapshot, version)

    closing = keeping.close
    delivery = CommittingDelivery(setup.connection, setup.store, deliver, committed, closing)
    return setup.parts(watch, delivery, begin, setup.tidy)


def parts_of_other_host(setup: HostSetup, meeting: Meeting) -> Parts:
    """It restores what the first host has chosen, and uploads its part of each checkpoint."""
    host = meeting.part.host
    arriving = Arriving(meeting.board, host, new_word())
    announced = Announced(setup.parent, setup.layout, setup.snapshots)

    def begin() -> Restored | None:
        with _hosts_may_come():
            begun = joined(arriving, _WAITING)
        # Only now: hosts may share the folder, which the first one has put in order.
        for name in setup.tidy():
            _log.info("%s is moved aside: it must not be resumed from", name)
        announced.other = OtherHost(meeting.board, host, begun.round)
        if begun.chosen is None:
            return None
        return restore_pinned(_pin(begun.chosen), Pinned(), setup.store, setup.destination)

    def deliver(other: OtherHost) -> PartDelivery:
        return PartDelivery(meeting.store, other, setup.job, meeting.part)

    return setup.parts(announced, PartsDelivery(announced, meeting.store, deliver), begin, list)


@contextmanager
def _hosts_may_come() -> Iterator[None]:
    """Hosts that have not come may come yet."""
    try:
        yield
    except HostsMissingError as error:
        raise AwayError(str(error)) from error


def _chosen(commits: Commits, restored: Restored | None, pin: Pin | None) -> Chosen | None:
    if restored is None:
        return None
    lineage = commits.lineage
    of_run = f"{lineage.entity}/{lineage.project}/{commits.name}"
    pinned = pin is not None and pin.version == restored.version
    collection = pin.collection if pin is not None and pinned else of_run
    return Chosen(f"{collection}:{restored.version}", restored.digest, restored.step)


def _pin(chosen: Chosen) -> Pin:
    collection, _, version = chosen.name.rpartition(":")
    return Pin(collection, version, chosen.digest, chosen.step)
