"""The protocol of `functions/resilience/controller.py`, as a machine that can be walked whole.

What is left out cannot matter to it: which checkpoint, which reason, how long a wait is. Of the
fleet breaker there is what one lineage sees: it may open at any time, because others die, and close
at any time, because another's successor trains. Once nothing fails any more each sweep moves it on.
"""

from collections.abc import Iterator

from proofs.model.states import Extent, Job, Move, Protocol, State, Status, Step, Tag, Worker
from proofs.model.steps import may_die
from proofs.model.worker import receive_at_any_time, receive_what_was_swept, work
from proofs.model.world import breaker_moves, happenings, sweep, switches


def initial(extent: Extent) -> Iterator[State]:
    """The root runs; the name of its successor is free, or somebody else has it already."""
    idle = (Worker(),) * extent.workers
    free = (Job(Status.RUNNING, accepted=1), *[Job()] * (extent.attempts - 1))
    yield State(free, idle)
    if extent.attempts > 1:
        yield State((free[0], Job(Status.FOREIGN), *free[2:]), idle)


def moves(state: State, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    """Everything that can happen next."""
    for place, worker in enumerate(state.workers):
        if worker.step is not Step.IDLE and may_die(state, place, protocol):
            gone = state.with_worker(place, Worker())
            yield Move(f"the worker on job {worker.job} crashes", gone, fault=True)
    yield from receive_at_any_time(state, protocol)
    if extent.breaker:
        yield from breaker_moves(state)
    yield from _planned(state, protocol, extent)
    for number in range(len(state.jobs)):
        yield from happenings(state, number, protocol, extent)


def quiet_moves(state: State, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    """What happens when nothing fails any more. A sweep comes when all else has been done."""
    yield from (one for one in _planned(state, protocol, extent) if not one.fault)
    yield from receive_what_was_swept(state, protocol)
    busy = any(worker.step is not Step.IDLE for worker in state.workers)
    if protocol.sweeps and state.acts and not (busy or any(job.message for job in state.jobs)):
        yield from sweep(state, protocol)


def _planned(state: State, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    for number, job in enumerate(state.jobs):
        if job.tag is Tag.WAIT and not job.overdue:
            yield Move(f"the wait of job {number} is over", state.with_job(number, overdue=True))
    if extent.modes:
        yield from switches(state)
    for place in range(len(state.workers)):
        yield from work(state, place, protocol, extent)
