"""Deliveries as the wrapper's loop takes them: connected when first needed, and never raising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resilient_training.run.delivery import NOT_DELIVERED
from resilient_training.run.ports import Committed, NotCommitted
from resilient_training.run.restore import AWAY
from resilient_training.run.store_errors import Overtaken, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_training.run.announced import Announced
    from resilient_training.run.commit import Commits
    from resilient_training.run.connection import Connection
    from resilient_training.run.delivery import Delivery
    from resilient_training.run.meeting import OtherHost
    from resilient_training.run.ports import Snapshot
    from resilient_training.run.several_hosts import FirstDelivery, PartDelivery
    from resilient_training.run.store import Store


class CommittingDelivery:
    """On the host that commits.

    Args:
        connection: To W&B.
        store: Where the bytes go; None: to W&B as well.
        deliver: Makes what uploads and commits, once W&B answers.
        committed: Is told of each commit, and of the version that it made.
        closing: Is called before the run of W&B is finished.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store | None,
        deliver: Callable[[Commits], Delivery | FirstDelivery],
        committed: Callable[[Snapshot, str], None] = lambda _snapshot, _version: None,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._store = store
        self._deliver = deliver
        self._committed = committed
        self._closing = closing
        # One for all checkpoints: it remembers what it has sent of the one that failed.
        self._delivery: Delivery | FirstDelivery | None = None

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        try:
            if self._delivery is None:
                self._delivery = self._deliver(self._connection.commits())
            version = self._delivery.commit(snapshot)
        except (*NOT_DELIVERED, *AWAY) as error:
            return NotCommitted(one_line(error))
        self._committed(snapshot, version)
        return Committed(version)

    def moved(self) -> object:
        stored = None if self._store is None else self._store.moved()
        return stored, self._connection.uploaded_bytes()

    def close(self) -> None:
        self._closing()
        self._connection.close()


class PartsDelivery:
    """On a host beside the first: its part goes to the store, and nothing to W&B."""

    def __init__(
        self, announced: Announced, store: Store, deliver: Callable[[OtherHost], PartDelivery]
    ) -> None:
        self._announced = announced
        self._store = store
        self._deliver = deliver

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        announcement = self._announced.of(snapshot)
        try:
            self._deliver(self._announced.answering).send(announcement, snapshot)
        except Overtaken:
            return NotCommitted("the first host asks for another one")
        except (*NOT_DELIVERED, *AWAY) as error:
            return NotCommitted(one_line(error))
        return Committed(f"a part of {announcement.folder}")

    def moved(self) -> object:
        return self._store.moved()

    def close(self) -> None:
        """There is no run to be finished."""
