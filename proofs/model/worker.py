"""What one invocation of the function does, a remote call at a time."""

from collections.abc import Callable, Iterator

from proofs.model.launching import create, label
from proofs.model.looking import observe, tags_read
from proofs.model.states import (
    ENDED,
    OURS,
    Age,
    Extent,
    Job,
    Move,
    Protocol,
    State,
    Status,
    Step,
    Tag,
    Worker,
)
from proofs.model.steps import gone, may_die
from proofs.model.world import is_left_over

_After = Callable[[State, int, Protocol], Iterator[Move]]


def work(state: State, place: int, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    step = state.workers[place].step
    if step is Step.SCHEDULE:
        yield from _schedule(state, place, protocol, extent)
    elif step is not Step.IDLE:
        yield from _DOES[step](state, place, protocol)


def receive_at_any_time(state: State, protocol: Protocol) -> Iterator[Move]:
    """A message about a job comes: of its event, again, early, redriven, or from a schedule."""
    for number, job in enumerate(state.jobs):
        if job.status in OURS:
            yield from _received(state, number, protocol, fault=True)


def receive_what_was_swept(state: State, protocol: Protocol) -> Iterator[Move]:
    for number, job in enumerate(state.jobs):
        if job.message:
            asked = state.with_job(number, message=False)
            yield from _received(asked, number, protocol, fault=False)


def _received(state: State, number: int, protocol: Protocol, *, fault: bool) -> Iterator[Move]:
    idle = next((at for at, one in enumerate(state.workers) if one.step is Step.IDLE), None)
    if idle is None:
        return
    early = not protocol.acknowledges_last and is_left_over(state.jobs[number], protocol)
    yield Move(
        f"a worker receives the message about job {number}",
        state.with_worker(idle, Worker(Step.OBSERVE, number)),
        fault=fault,
        broken="I7" if early else None,
    )


def _look_at_successor(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    """Whose is the job of that name? After ResourceInUse, and before a WAIT or a STOP."""
    worker = state.workers[place]
    said = f"the worker on job {worker.job} looks at its successor: "
    asked = worker.step is Step.ADJUDICATE
    if not (protocol.adjudicates if asked else protocol.checks_before_holding):
        assumed = _to_record(worker, protocol)
        yield Move(f"{said}no, it assumes", state.with_worker(place, assumed))
        return
    if asked and _is_of_an_older_lineage(state, worker.job + 1, protocol):
        yield from _take_another_name(state, place, said)
        return
    for status in _statuses_read(state, worker.job + 1, protocol):
        if asked and status is Status.ABSENT:
            stale = state.jobs[worker.job + 1].status is not Status.ABSENT
            yield Move(said + "gone", gone(state, place), fault=stale)
            continue
        verdict = worker.verdict
        if status in OURS:
            verdict = Tag.RELAUNCH
        elif asked:
            verdict = Tag.STOP
        decided = _to_record(worker._replace(verdict=verdict, asks=True), protocol)
        for after in _unless_recorded(state, decided, protocol) if asked else (decided,):
            yield Move(
                said + ("ours" if status in OURS else "not ours"), state.with_worker(place, after)
            )


def _is_of_an_older_lineage(state: State, number: int, protocol: Protocol) -> bool:
    """Whether the job continues one that was deleted, and whose name its parent bears now."""
    job = state.jobs[number]
    ours_once = job.status in OURS and job.of < state.jobs[number - 1].made
    return ours_once and job.counted and protocol.knows_parents_by_their_time


def _take_another_name(state: State, place: int, said: str) -> Iterator[Move]:
    """The older lineage keeps its names, and goes on apart: the model follows the new one.

    It lets whoever is at work on the older one's jobs end first. A create that is under way asks
    for the older name, and comes to nothing.
    """
    number = state.workers[place].job + 1
    if not any(one.step is not Step.IDLE and one.job >= number for one in state.workers):
        jobs = (*state.jobs[:number], *[Job()] * (len(state.jobs) - number))
        again = state.workers[place]._replace(step=Step.CREATE)
        freed = state._replace(jobs=jobs).with_worker(place, again)
        yield Move(f"{said}an older lineage's; it takes another name", freed)


def _unless_recorded(state: State, decided: Worker, protocol: Protocol) -> Iterator[Worker]:
    """Whoever finds its successor there already may find that another has recorded it as well."""
    for tag in tags_read(state.jobs[decided.job].tag, protocol):
        done = tag is Tag.RELAUNCH and decided.verdict is Tag.RELAUNCH
        yield decided._replace(step=Step.ACKNOWLEDGE) if done else decided


def _to_record(worker: Worker, protocol: Protocol) -> Worker:
    if worker.verdict is Tag.RELAUNCH:
        recorded = not protocol.creates_before_recording
        return worker._replace(step=Step.ACKNOWLEDGE if recorded else Step.RECORD, asks=False)
    schedules_first = worker.verdict is Tag.WAIT and not protocol.waits_by_tag
    return worker._replace(step=Step.SCHEDULE if schedules_first else Step.RECORD)


def _statuses_read(state: State, number: int, protocol: Protocol) -> tuple[Status, ...]:
    if number == len(state.jobs):
        return (Status.ABSENT,)
    job = state.jobs[number]
    by_its_name = job.status in OURS and not protocol.knows_parents_by_their_time
    ours = job.counted and (state.is_ours(number) or by_its_name)
    status = job.status if ours or job.status not in OURS else Status.FOREIGN
    if protocol.reads_are_fresh or status is Status.ABSENT:
        return (status,)
    return (status, Status.ABSENT, Status.FOREIGN)  # not there yet; there, its tags not yet


def _record(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    job, verdict = state.jobs[worker.job], worker.verdict
    tagged = state
    if job.status is not Status.ABSENT:
        tagged = state.with_whole_job(
            worker.job, job._replace(tag=verdict, overdue=False, age=Age.FRESH)
        )
    said = f"the worker on job {worker.job} records {verdict.name}"
    broken = "I10" if worker.too_late else None
    after = worker._replace(step=_after_record(worker, protocol))
    yield Move(said, tagged.with_worker(place, after), broken=broken)
    if may_die(tagged, place, protocol):
        lost = gone(tagged, place)
        yield Move(f"{said}, answer lost", lost, fault=True, broken=broken)


def _after_record(worker: Worker, protocol: Protocol) -> Step:
    if worker.verdict is Tag.RELAUNCH and not protocol.creates_before_recording:
        return Step.CREATE
    if worker.verdict is Tag.WAIT and protocol.waits_by_tag:
        return Step.SCHEDULE
    return _after_hold(worker, protocol)


def _after_hold(worker: Worker, protocol: Protocol) -> Step:
    return Step.LOOK_TWICE if worker.asks and protocol.looks_twice else Step.ACKNOWLEDGE


def _schedule(state: State, place: int, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    """Schedule the next look: a help where the wait is a tag, a must where it is not yet."""
    worker = state.workers[place]
    said = f"the worker on job {worker.job} schedules the next look"
    after = _after_hold(worker, protocol) if protocol.waits_by_tag else Step.RECORD
    moved = state.with_worker(place, worker._replace(step=after))
    if extent.scheduler:
        yield Move(said, moved)
    missed = moved if protocol.waits_by_tag else gone(state, place)
    yield Move(f"{said}: no answer", missed, fault=extent.scheduler)


def _look_twice(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    """Whoever launched since the first look may have had its RELAUNCH overwritten."""
    worker = state.workers[place]
    said = f"the worker on job {worker.job} looks at its successor again: "
    for status in _statuses_read(state, worker.job + 1, protocol):
        ours = status in OURS
        after = (
            worker._replace(step=Step.RECORD, verdict=Tag.RELAUNCH, asks=False)
            if ours
            else worker._replace(step=Step.ACKNOWLEDGE)
        )
        yield Move(said + ("ours" if ours else "not ours"), state.with_worker(place, after))


def _acknowledge(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    job = state.jobs[worker.job]
    hasty = worker.saw_ended and job.status in ENDED and job.tag is Tag.NONE
    yield Move(
        f"the worker on job {worker.job} acknowledges",
        state.with_worker(place, Worker()),
        broken="I7" if hasty and protocol.acknowledges_last else None,
    )


_DOES: dict[Step, _After] = {
    Step.OBSERVE: observe,
    Step.CREATE: create,
    Step.LABEL: label,
    Step.ADJUDICATE: _look_at_successor,
    Step.CHECK: _look_at_successor,
    Step.RECORD: _record,
    Step.LOOK_TWICE: _look_twice,
    Step.ACKNOWLEDGE: _acknowledge,
}
