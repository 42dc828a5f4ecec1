"""Each history of the matrix is a way through the model, so that the two cannot drift apart.

The model may be in several states at once: what it does between two events that both can tell of is
not in the history. A history is none of the model's where no state is left.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from proofs.matrix.assumptions import assumptions
from proofs.matrix.faults import CLOCK_JUMPS
from proofs.matrix.record import Record
from proofs.matrix.retelling import Asked, Begins, Does, Ends, Event, Happens, Looked, retold
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.steps import Step
from proofs.model.protocol import initial, moves
from proofs.model.states import Extent, Move, Protocol, State
from proofs.model.states import Step as At
from proofs.model.worker import work
from proofs.model.world import is_left_over

_VISIBLE = ("accepted", "ResourceInUse", " records ", "acknowledges")
_FEW = 2  # lineages, of which each is replayed
_IS_SUCCESSOR = re.compile(r"-r[0-9]+$")
_OF_THE_MODE = "the stack is switched "


@dataclass(frozen=True, slots=True)
class Assumed:
    """The assumptions about the world that do not hold in a history."""

    stale: bool = False  # reads of tags and of jobs lag
    stale_mode: bool = False
    untold: bool = False  # a successor was deleted before its parent's verdict
    clocks_differ: bool = False  # a sweep may find a wait overdue that is not due for the worker

    def protocol(self) -> Protocol:
        return replace(
            Protocol(),
            meets_without_dying=False,
            reads_are_fresh=not self.stale,
            reads_modes=not self.stale_mode,
            names_stay_taken=not self.untold,
        )


def of_cell(cell: Cell, record: Record) -> str | None:
    """What of a cell's history the model cannot do; None where it can do all of it."""
    if any(name == "I7" for name, _ in assumptions(cell)):
        return None  # AddTags that answers and has no effect is assumed away in the model
    untold = cell.situation is Situation.DELETED_UNTOLD
    assumed = assumed_in(record, untold=untold)
    return of_history(retold(record), replace(assumed, clocks_differ=cell.fault in CLOCK_JUMPS))


def of_lineages(record: Record) -> Iterator[str]:
    """What the model cannot do of the history of a run's lineages; of a fleet, of the first."""
    assumed = assumed_in(record, untold=False)
    judged = {one.delivery.job for one in record.calls(Step.ADD_TAGS)}
    roots = sorted(one for one in judged if one and not _IS_SUCCESSOR.search(one))
    for root in roots[:1] if len(roots) > _FEW else roots:
        unknown = of_history(retold(record, root), assumed)
        if unknown is not None:
            yield f"model: {unknown}"


def assumed_in(record: Record, *, untold: bool) -> Assumed:
    stale = {one.step for one in record.all_calls() if one.stale}
    stack_off = any(act.job == "the stack" for act in record.acts("switched off"))
    return Assumed(
        stale=bool(stale & _READS),
        stale_mode=stack_off and Step.READ_SWITCHES in stale,
        untold=untold,
    )


_READS = frozenset(
    {
        Step.DESCRIBE,
        Step.LIST_TAGS,
        Step.LIST_MORE_TAGS,
        Step.ADJUDICATE,
        Step.LOOK_AGAIN,
        Step.LOOK_TWICE,
    }
)


def _extent_of(events: Iterable[Event], late: int) -> Extent:
    """Two at once, and whoever left a call under way; more attempts than the history has."""
    jobs = (one.job for one in events if isinstance(one, Begins | Does | Ends))
    return Extent(
        attempts=max(jobs, default=0) + 3,
        workers=2 + late,
        modes=True,
        breaker=True,
        reuse=any(isinstance(one, Happens) and "again" in one.label for one in events),
        again=True,
    )


@cache
def of_history(events: tuple[Event, ...], assumed: Assumed) -> str | None:
    """The first event that the model cannot do; many histories are alike, hence the cache."""
    replaying = _Replaying(assumed.protocol(), events)
    for place, event in enumerate(events):
        if isinstance(event, Asked) and assumed.clocks_differ:
            continue
        replaying.take(event)
        if not replaying.states:
            return f"the model cannot do event {place}, {event}, after {events[:place]}"
    return None


class _Replaying:
    """All states in which the model may be after the events so far."""

    def __init__(self, protocol: Protocol, events: Sequence[Event]) -> None:
        self._late = {one.delivery for one in events if isinstance(one, Does) and one.late}
        self._extent = _extent_of(events, len(self._late))
        self.states = set(initial(self._extent))
        self._protocol = protocol
        self._at_work: dict[int, int] = {}  # the job of each delivery
        self._blind: set[int] = set()  # deliveries that have not seen their job yet
        self._about_nothing: set[int] = set()  # deliveries about a job that is not there

    def take(self, event: Event) -> None:
        self._go_on_unseen()
        match event:
            case Begins():
                self._begin(event)
            case Looked():
                self._look(event)
            case Does():
                self._does(event)
            case Ends():
                self._end(event)
            case Happens():
                self._happens(event.label)
            case Asked():
                self._asked(event)

    def _go_on_unseen(self) -> None:
        """Have the workers do all that no history tells of, and waits be over."""
        frontier = list(self.states)
        while frontier:
            state = frontier.pop()
            for move in self._unseen(state):
                if move.state not in self.states:
                    self.states.add(move.state)
                    frontier.append(move.state)

    def _unseen(self, state: State) -> Iterator[Move]:
        for place in range(len(state.workers)):
            for move in work(state, place, self._protocol, self._extent):
                if not any(word in move.label for word in _VISIBLE):
                    yield move
        for number, job in enumerate(state.jobs):
            if not job.overdue:
                yield Move("", state.with_job(number, overdue=True))

    def _moved(self, label: str) -> set[State]:
        return {
            move.state
            for state in self.states
            for move in moves(state, self._protocol, self._extent)
            if move.label == label or move.label.startswith(f"{label}, ")
        }

    def _begin(self, event: Begins) -> None:
        received = self._moved(f"a worker receives the message about job {event.job}")
        if received:
            self.states = received
            self._at_work[event.delivery] = event.job
            self._blind.add(event.delivery)
        else:
            self._about_nothing.add(event.delivery)

    def _look(self, event: Looked) -> None:
        """Whoever has looked has decided: nothing that comes later can be what it saw."""
        self._blind.discard(event.delivery)
        blind = sum(self._at_work.get(one) == event.job for one in self._blind)
        self.states = {one for one in self.states if _at_work(one, event.job, At.OBSERVE) <= blind}

    def _does(self, event: Does) -> None:
        self.states = self._moved(event.label)
        if event.late:
            self._leave(event.delivery)

    def _end(self, event: Ends) -> None:
        if event.delivery in self._about_nothing or event.delivery in self._late:
            return
        if event.acknowledged:
            self.states = self._moved(f"the worker on job {event.job} acknowledges")
        else:
            self.states |= self._moved(f"the worker on job {event.job} crashes")
        self._leave(event.delivery)

    def _leave(self, delivery: int) -> None:
        """A delivery is over: as many workers are at work on its job as others are."""
        job = self._at_work.pop(delivery)
        self._blind.discard(delivery)
        others = sum(one == job for one in self._at_work.values())
        self.states = {one for one in self.states if _at_work(one, job) <= others}

    def _happens(self, label: str) -> None:
        moved = self._moved(label)
        idle = label.startswith(_OF_THE_MODE) and not moved  # it is so already
        self.states = self.states if idle else moved

    def _asked(self, event: Asked) -> None:
        self.states = {
            state
            for state in self.states
            if all(is_left_over(state.jobs[job], self._protocol) for job in event.jobs)
        }


def _at_work(state: State, job: int, at: At | None = None) -> int:
    """How many workers are at work on a job, or at one step of it."""
    steps = (one.step for one in state.workers if one.job == job)
    return sum(step is at if at is not None else step is not At.IDLE for step in steps)
