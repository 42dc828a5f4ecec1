"""Passes over a stream: what was seen is passed over, by the stream's own state or by reading."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resilient_training.data.likeness import likeness_of
from resilient_training.data.randomness import drawing
from resilient_training.data.streams import Shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resilient_training.data.position import Pass, Passes
    from resilient_training.data.sampler_history import SaysDiffers
    from resilient_training.data.streams import ExactStream

_log = logging.getLogger(__name__)

# More than frameworks read ahead: Lightning reads one batch, accelerate one, a plain loop one.
_KEPT = 5


@dataclass(frozen=True)
class Read:
    """One of the newest batches, and the states of all workers behind it, where there are any."""

    epoch: int
    batches: int
    states: dict[int, Any]
    batch: object


@dataclass
class Reading:
    """Reads a stream in passes, and knows its state behind each of the newest batches."""

    stream: ExactStream
    passes: Passes
    workers: int
    notices: SaysDiffers
    newest: deque[Read] = field(default_factory=lambda: deque(maxlen=_KEPT))
    loaded: dict[str, Any] | None = None

    def rest(self, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """What is to come of the epoch, or of the cycle of it; `begin` begins a pass."""
        if self.passes.position is None:
            self.passes.epoch = self.stream.epoch
        at: Pass | None = self.passes.begin()
        while at is not None:
            states = self._states_at(at)
            done = 0 if states is None else at.skip
            for done, batch in self._whole(at, states, begin):
                if done > at.skip:
                    yield batch
            at = self.passes.end(at, done)

    def state_dict(self) -> dict[str, Any]:
        at = self.passes.at()
        found = [one for one in self.newest if (one.epoch, one.batches) == (at.epoch, at.batches)]
        state = {"epoch": at.epoch, "batches": at.batches, "workers": self.workers}
        if not found:
            return state
        begun = range(min(at.batches, max(self.workers, 1)))
        whole = all(worker in found[0].states for worker in begun)
        return {
            **state,
            "likeness": likeness_of(found[0].batch),
            "states": found[0].states if whole else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loaded = state
        if state["batches"] and state["workers"] != self.workers:
            self.notices.differs(
                f"the order of the stream: {state['workers']} workers read it before, "
                f"and {self.workers} do now"
            )

    def _whole(
        self, at: Pass, states: dict[int, Any] | None, begin: Callable[[], Iterator[Any]]
    ) -> Iterator[tuple[int, Any]]:
        self.stream.states = states or {}
        self.stream.begin(at, restoring=states is not None)
        if at.skip and states is None:
            _log.info("reading %d batches of the stream again that were seen", at.skip)
        with drawing(*self.stream.key, *at.key):
            source = begin()
        # Those of the workers whose turn is over give a mark each, so that the next one begins.
        done = 0 if states is None else at.skip - at.skip % max(self.workers, 1)
        states = dict(states or {})
        for item in source:
            done += 1
            batch = item
            if isinstance(item, Shipped):
                batch = item.batch
                states = states if item.state is None else {**states, item.worker: item.state}
            if at.cycle == 0:
                self._note(Read(at.epoch, done, states, batch), at)
            yield done, batch

    def _states_at(self, at: Pass) -> dict[int, Any] | None:
        loaded = self.loaded or {}
        if at.cycle or at.skip == 0 or not self._is_of(loaded, at):
            return None
        same = loaded["workers"] == self.workers
        states: dict[int, Any] | None = loaded.get("states") if same else None
        return states

    def _note(self, read: Read, at: Pass) -> None:
        if read.batches < at.skip:
            return
        self.newest.append(read)
        again = read.batches == at.skip and not self.stream.states
        loaded = self.loaded or {}
        seen = loaded.get("likeness") if self._is_of(loaded, at) else None
        if again and seen is not None and seen != likeness_of(read.batch):
            self.notices.differs(
                f"the stream: batch {read.batches} of epoch {read.epoch} is another than the one "
                "that was trained on"
            )

    def _is_of(self, loaded: dict[str, Any], at: Pass) -> bool:
        return (loaded.get("epoch"), loaded.get("batches")) == (at.epoch, at.skip)
