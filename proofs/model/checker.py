"""Walks every reachable state, breadth first, and keeps the shortest way to what is broken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from timeit import default_timer

from proofs.model.protocol import initial, moves, quiet_moves
from proofs.model.states import ENDED, Age, Extent, Move, Protocol, State, Step, Tag
from proofs.model.world import SWEEP

Trace = tuple[str, ...]
NEVER_JUDGED, TRUE_RELAUNCH, TRUE_STOP = "I9", "T1", "T2"


@dataclass
class Walk:
    """All states that a protocol can reach, and what is broken in them."""

    protocol: Protocol
    extent: Extent
    came_from: dict[State, tuple[State, str] | None] = field(default_factory=dict)
    transitions: int = 0
    seconds: float = 0
    broken: dict[str, Trace] = field(default_factory=dict)  # by invariant, the shortest way
    sweeps: int = 0  # that a run without further faults can need to judge every ended job

    def trace(self, state: State) -> Trace:
        steps = []
        origin = self.came_from[state]
        while origin is not None:
            state, label = origin
            steps.append(label)
            origin = self.came_from[state]
        return tuple(reversed(steps))

    def is_dead_end(self, state: State) -> bool:
        return _unsettled(state) and not any(quiet_moves(state, self.protocol, self.extent))


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk has shown, without its states."""

    states: int
    moves: int
    seconds: float
    broken: Mapping[str, Trace]
    sweeps: int


def found_in(protocol: Protocol, extent: Extent) -> Found:
    walked = walk(protocol, extent)
    return Found(
        states=len(walked.came_from),
        moves=walked.transitions,
        seconds=walked.seconds,
        broken=walked.broken,
        sweeps=walked.sweeps,
    )


def walk(protocol: Protocol, extent: Extent, *, until: str | None = None) -> Walk:
    """Visit every state; then show that from each of them every ended job is judged (I9).

    With `until`, go no further than the first state that breaks this invariant.
    """
    started = default_timer()
    found = Walk(protocol, extent)
    frontier = list(initial(extent))
    found.came_from.update(dict.fromkeys(frontier))
    while frontier and until not in found.broken:
        frontier = list(_next_layer(found, frontier))
    if until is None or until == NEVER_JUDGED:
        _judge_liveness(found)
    found.seconds = default_timer() - started
    return found


def _next_layer(found: Walk, frontier: list[State]) -> Iterator[State]:
    for state in frontier:
        for invariant in _broken_in(state):
            if invariant not in found.broken:
                found.broken[invariant] = found.trace(state)
        for move in moves(state, found.protocol, found.extent):
            found.transitions += 1
            if move.broken is not None and move.broken not in found.broken:
                found.broken[move.broken] = (*found.trace(state), move.label)
            if move.state not in found.came_from:
                found.came_from[move.state] = (state, move.label)
                yield move.state


def _broken_in(state: State) -> Iterator[str]:
    """Invariants of a state; those of a step are told by the step (`Move.broken`)."""
    for number, job in enumerate(state.jobs):
        if job.accepted > 1:
            yield "I1"
        if job.status in ENDED and not job.counted:
            yield "I3"
        if number + 1 < len(state.jobs) and not _at_work(state, number):
            yield from _untrue(job.tag, state, number + 1)


def _at_work(state: State, number: int) -> bool:
    return any(w.step is not Step.IDLE and w.job == number for w in state.workers)


def _untrue(verdict: Tag, state: State, successor: int) -> Iterator[str]:
    job, parent = state.jobs[successor], state.jobs[successor - 1]
    accepted = job.accepted if job.of == parent.made else 0
    if verdict is Tag.RELAUNCH and accepted == 0:
        yield TRUE_RELAUNCH
    if verdict is Tag.STOP and state.is_ours(successor) and not job.underway:
        yield TRUE_STOP


# --- liveness


def _judge_liveness(found: Walk) -> None:
    """I9: from every state, every run without a further fault judges every ended job for good.

    Depth first over the states in which a job is still unsettled, counting the sweeps. Where such a
    run ends, or comes back to where it was, a job can stay unsettled for ever.
    """
    needed: dict[State, int | None] = {}  # sweeps; None: being looked at
    for start in found.came_from:
        if start in needed or not _unsettled(start):
            continue
        stuck = _look_ahead(start, needed, found)
        if stuck is not None:
            nearest = next(filter(found.is_dead_end, found.came_from), stuck)
            found.broken[NEVER_JUDGED] = (*found.trace(nearest), "and so it stays")
            return
    found.sweeps = max((n for n in needed.values() if n is not None), default=0)


def _unsettled(state: State) -> bool:
    """Whether an ended job waits for its verdict. One that is too old waits for a person's word."""
    return any(
        job.status in ENDED and job.tag in {Tag.NONE, Tag.WAIT} and job.age is not Age.TOO_OLD
        for job in state.jobs
    )


def _look_ahead(start: State, needed: dict[State, int | None], found: Walk) -> State | None:
    """Fill in `needed` for all that follows; returns where a run can get stuck, if it can."""
    needed[start] = None
    stack = [(start, list(quiet_moves(start, found.protocol, found.extent)))]
    while stack:
        state, ahead = stack[-1]
        fresh = next(
            (m.state for m in ahead if m.state not in needed and _unsettled(m.state)), None
        )
        if fresh is not None:
            needed[fresh] = None
            stack.append((fresh, list(quiet_moves(fresh, found.protocol, found.extent))))
            continue
        costs = [_cost(move, needed) for move in ahead]
        if not costs or None in costs:
            return state
        needed[state] = max(cost for cost in costs if cost is not None)
        stack.pop()
    return None


def _cost(move: Move, needed: dict[State, int | None]) -> int | None:
    ahead = needed[move.state] if _unsettled(move.state) else 0
    return None if ahead is None else ahead + (move.label == SWEEP)
