"""A worker asks for the successor, and what may come of it."""

from collections.abc import Iterator

from proofs.model.states import Move, Protocol, State, Status, Step, Tag, Worker
from proofs.model.steps import gone, may_die, may_stop
from proofs.model.world import accepted, wrong_launch


def create(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    number = worker.job + 1
    said = f"the worker on job {worker.job} creates job {number}: "
    if number == len(state.jobs):  # an attempt that no ledger counted goes on beyond the budget
        beyond = state.with_worker(place, worker._replace(step=Step.RECORD))
        yield Move(said + "beyond the budget", beyond, broken="I3")
        return
    if state.jobs[number].status is Status.ABSENT or not protocol.deterministic_name:
        yield from _accept(state, place, protocol, said)
    else:
        in_use = worker._replace(step=Step.ADJUDICATE)
        yield Move(said + "ResourceInUse", state.with_worker(place, in_use))
    if may_die(state, place, protocol):
        late = gone(state, place).with_job(number, underway=True)
        yield Move(said + "no answer; it may arrive late", late, fault=True)
    yield from _refuse(state, place, protocol, said)


def _refuse(state: State, place: int, protocol: Protocol, said: str) -> Iterator[Move]:
    worker = state.workers[place]._replace(step=Step.CHECK)
    throttled = state.with_worker(place, worker._replace(verdict=Tag.WAIT))
    yield Move(said + "throttled", throttled, fault=True)
    if may_stop(state, place, protocol):
        rejected = state.with_worker(place, worker._replace(verdict=Tag.STOP))
        yield Move(said + "rejected", rejected, fault=True)


def _accept(state: State, place: int, protocol: Protocol, said: str) -> Iterator[Move]:
    worker = state.workers[place]
    number = worker.job + 1
    created = accepted(state, number, counted=protocol.labels_inline)
    broken = _broken(state, worker, number)
    done = created.with_worker(place, _after_create(worker, protocol))
    yield Move(said + "accepted", done, broken=broken)
    lost = f"{said}accepted, answer lost"
    yield Move(f"{lost}; the SDK sends again", created, fault=True, broken=broken)
    if may_die(created, place, protocol):
        yield Move(f"{lost} for good", gone(created, place), fault=True, broken=broken)


def _broken(state: State, worker: Worker, number: int) -> str | None:
    if worker.began_off:
        return "I8"
    return wrong_launch(state, number) or ("I10" if worker.too_late else None)


def _after_create(worker: Worker, protocol: Protocol) -> Worker:
    if not protocol.labels_inline:
        return worker._replace(step=Step.LABEL)
    recorded = not protocol.creates_before_recording
    return worker._replace(step=Step.ACKNOWLEDGE if recorded else Step.RECORD)


def label(state: State, place: int, _: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    labelled = state.with_job(worker.job + 1, counted=True)
    yield Move(
        f"the worker on job {worker.job} tags job {worker.job + 1}",
        labelled.with_worker(place, worker._replace(step=Step.RECORD)),
    )
