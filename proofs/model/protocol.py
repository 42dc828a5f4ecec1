"""The protocol of `functions/resilience/recovery.py`, as a machine that can be walked whole.

What is left out cannot matter to it: which checkpoint, which reason, how long a wait is.
"""

from collections.abc import Iterator

from proofs.model.states import Job, Move, Protocol, State, Status, Step, Tag, Worker
from proofs.model.worker import returned, work
from proofs.model.world import SWEEP, happenings, is_left_over, sweep


def initial(attempts: int) -> Iterator[State]:
    """The root runs; the name of its successor is free, or somebody else has it already."""
    idle = (Worker(), Worker())
    free = (Job(Status.RUNNING, accepted=1), *[Job()] * (attempts - 1))
    yield State(free, idle)
    if attempts > 1:
        yield State((free[0], Job(Status.FOREIGN), *free[2:]), idle)


def moves(state: State, protocol: Protocol) -> Iterator[Move]:
    """Everything that can happen next."""
    for place, worker in enumerate(state.workers):
        if worker.step is not Step.IDLE:
            back = returned(state, place, protocol)
            yield Move(f"the worker on job {worker.job} crashes", back, fault=True)
    yield from _planned(state, protocol)
    for number in range(len(state.jobs)):
        yield from happenings(state, number, protocol)


def quiet_moves(state: State, protocol: Protocol) -> Iterator[Move]:
    """What happens when nothing fails any more. A sweep comes when all else has been done."""
    busy = any(worker.step is not Step.IDLE for worker in state.workers) or any(
        job.message and is_left_over(job) for job in state.jobs
    )
    for move in _planned(state, protocol):
        if not move.fault and not (busy and move.label == SWEEP):
            yield move


def _planned(state: State, protocol: Protocol) -> Iterator[Move]:
    for number, job in enumerate(state.jobs):
        if job.tag is Tag.WAIT and not job.overdue:
            yield Move(f"the wait of job {number} is over", state.with_job(number, overdue=True))
    if protocol.sweeps:
        yield from sweep(state)
    for place in range(len(state.workers)):
        yield from work(state, place, protocol)
