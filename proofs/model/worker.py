"""What one invocation of the function does, a remote call at a time."""

from collections.abc import Iterator

from proofs.model.states import (
    ENDED,
    FINAL,
    OURS,
    Job,
    Move,
    Protocol,
    State,
    Status,
    Step,
    Tag,
    Worker,
)
from proofs.model.world import accepted, is_left_over, wrong_launch


def returned(state: State, place: int, protocol: Protocol) -> State:
    """The worker is gone; its message becomes visible again, unless it was acknowledged."""
    number = state.workers[place].job
    idle = state.with_worker(place, Worker())
    return idle.with_job(number, message=True) if protocol.acknowledges_last else idle


def work(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    step = state.workers[place].step
    if step is Step.IDLE:
        yield from _receive(state, place, protocol)
    elif step is Step.OBSERVE:
        yield from _observe(state, place, protocol)
    elif step is Step.CREATE:
        yield from _create(state, place, protocol)
    elif step is Step.LABEL:
        yield from _label(state, place)
    elif step in {Step.ADJUDICATE, Step.CHECK}:
        yield from _look_at_successor(state, place, protocol)
    elif step is Step.RECORD:
        yield from _record(state, place, protocol)
    else:
        yield from _acknowledge(state, place, protocol)


def _receive(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    if place > 0 and state.workers[place - 1].step is Step.IDLE:
        return  # idle workers are alike
    for number, job in enumerate(state.jobs):
        if job.message:
            begun = Worker(Step.OBSERVE, number)
            received = state.with_job(number, message=False).with_worker(place, begun)
            early = not protocol.acknowledges_last and is_left_over(job)
            yield Move(
                f"a worker receives the message about job {number}",
                received,
                broken="I7" if early else None,
            )


def _observe(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    """Describe and ListTags: one step, as what changes between them may as well change after."""
    worker = state.workers[place]
    job, said = state.jobs[worker.job], f"the worker on job {worker.job} "
    status = job.status if protocol.observes_afresh else Status.FAILED
    for tag in _tags_read(job, protocol):
        for what, step, verdict in _decided(state, place, status, tag, protocol):
            decided = worker._replace(
                step=step,
                verdict=verdict,
                saw_ended=status in ENDED,
                too_late=job.tag in FINAL and step is not Step.ACKNOWLEDGE,
            )
            stale = f" (though {job.tag.name.lower()} stands)" if tag is not job.tag else ""
            yield Move(
                f"{said}looks: {status.name.lower()}, verdict {tag.name.lower()}{stale}; {what}",
                state.with_worker(place, decided),
                fault=tag is not job.tag,
            )


def _tags_read(job: Job, protocol: Protocol) -> tuple[Tag, ...]:
    if not protocol.honours_verdicts:
        return (Tag.NONE,)
    return (job.tag,) if protocol.reads_are_fresh or job.tag is Tag.NONE else (job.tag, Tag.NONE)


def _decided(
    state: State, place: int, status: Status, tag: Tag, protocol: Protocol
) -> Iterator[tuple[str, Step, Tag]]:
    number = state.workers[place].job
    job = state.jobs[number]
    waits = tag is Tag.WAIT and not job.overdue
    if status not in ENDED or tag in FINAL or waits:
        yield "nothing to do", Step.ACKNOWLEDGE, Tag.NONE
    elif status is not Status.FAILED:
        yield "done with it", Step.RECORD, Tag.IGNORE
    elif number == len(state.jobs) - 1 and job.counted:
        yield "the budget is spent", Step.CHECK, Tag.STOP
    else:
        if _may_launch(state, place, protocol):
            first = Step.CREATE if protocol.creates_before_recording else Step.RECORD
            yield "relaunch", first, Tag.RELAUNCH
        if _may_hold(state, place, protocol):
            held = Tag.STOP if job.waited else Tag.WAIT
            yield f"W&B is away: {held.name.lower()}", Step.CHECK, held


def _others(state: State, place: int) -> Iterator[Worker]:
    mine = state.workers[place]
    for other, worker in enumerate(state.workers):
        if other != place and worker.step is not Step.IDLE and worker.job == mine.job:
            yield worker


def _may_launch(state: State, place: int, protocol: Protocol) -> bool:
    held = {Tag.WAIT, Tag.STOP}
    return not (protocol.holds_alone and any(w.verdict in held for w in _others(state, place)))


def _may_hold(state: State, place: int, protocol: Protocol) -> bool:
    """Assume that who holds a job back is alone with it: all who look at it at once decide alike.

    They look at the same ended job; only an answer of W&B's in between can tell them apart.
    """
    if not protocol.holds_alone:
        return True
    number = state.workers[place].job + 1
    underway = number < len(state.jobs) and state.jobs[number].underway
    return not underway and not any(_others(state, place))


def _create(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
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
    late = returned(state, place, protocol).with_job(number, underway=True)
    yield Move(said + "no answer; it may arrive late", late, fault=True)
    if _may_hold(state, place, protocol):
        held = Tag.STOP if state.jobs[worker.job].waited else Tag.WAIT
        throttled = worker._replace(step=Step.CHECK, verdict=held)
        yield Move(said + "throttled", state.with_worker(place, throttled), fault=True)


def _accept(state: State, place: int, protocol: Protocol, said: str) -> Iterator[Move]:
    worker = state.workers[place]
    number = worker.job + 1
    created = accepted(state, number, counted=protocol.labels_inline)
    broken = wrong_launch(state, number) or ("I10" if worker.too_late else None)
    after = _after_create(worker, protocol)
    yield Move(said + "accepted", created.with_worker(place, after), broken=broken)
    if protocol.deterministic_name:
        resent = created.with_worker(place, worker._replace(step=Step.ADJUDICATE))
    else:  # under a fresh name the second send is a second job
        resent = accepted(created, number, counted=True).with_worker(place, after)
    yield Move(
        said + "accepted, answer lost; the SDK sends again", resent, fault=True, broken=broken
    )
    lost = returned(created, place, protocol)
    yield Move(said + "accepted, answer lost for good", lost, fault=True, broken=broken)


def _after_create(worker: Worker, protocol: Protocol) -> Worker:
    if not protocol.labels_inline:
        return worker._replace(step=Step.LABEL)
    recorded = not protocol.creates_before_recording
    return worker._replace(step=Step.ACKNOWLEDGE if recorded else Step.RECORD)


def _label(state: State, place: int) -> Iterator[Move]:
    worker = state.workers[place]
    labelled = state.with_job(worker.job + 1, counted=True)
    yield Move(
        f"the worker on job {worker.job} tags job {worker.job + 1}",
        labelled.with_worker(place, worker._replace(step=Step.RECORD)),
    )


def _look_at_successor(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    """Whose is the job of that name? After ResourceInUse, and before a WAIT or a STOP."""
    worker = state.workers[place]
    said = f"the worker on job {worker.job} looks at its successor: "
    asked = worker.step is Step.ADJUDICATE
    if not (protocol.adjudicates if asked else protocol.checks_before_holding):
        assumed = worker._replace(step=Step.RECORD)
        yield Move(f"{said}no, it assumes", state.with_worker(place, assumed))
        return
    for status in _statuses_read(state, worker.job + 1, protocol):
        if asked and status is Status.ABSENT:
            stale = state.jobs[worker.job + 1].status is not Status.ABSENT
            yield Move(said + "gone", returned(state, place, protocol), fault=stale)
            continue
        verdict = worker.verdict
        if status in OURS:
            verdict = Tag.RELAUNCH
        elif asked:
            verdict = Tag.STOP
        recorded = verdict is Tag.RELAUNCH and not protocol.creates_before_recording
        after = Step.ACKNOWLEDGE if recorded else Step.RECORD
        yield Move(
            said + ("ours" if status in OURS else "not ours"),
            state.with_worker(place, worker._replace(step=after, verdict=verdict)),
        )


def _statuses_read(state: State, number: int, protocol: Protocol) -> tuple[Status, ...]:
    if number == len(state.jobs):
        return (Status.ABSENT,)
    job = state.jobs[number]
    status = job.status if job.counted or job.status not in OURS else Status.FOREIGN
    if protocol.reads_are_fresh or status is Status.ABSENT:
        return (status,)
    return (status, Status.ABSENT, Status.FOREIGN)  # not there yet; there, its tags not yet


def _record(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    job, verdict = state.jobs[worker.job], worker.verdict
    tagged = state
    if job.status is not Status.ABSENT:
        waited = job.waited or verdict is Tag.WAIT
        tagged = state.with_job(worker.job, tag=verdict, overdue=False, waited=waited)
    launches = verdict is Tag.RELAUNCH and not protocol.creates_before_recording
    after = worker._replace(step=Step.CREATE if launches else Step.ACKNOWLEDGE)
    said = f"the worker on job {worker.job} records {verdict.name}"
    broken = "I10" if worker.too_late else None
    yield Move(said, tagged.with_worker(place, after), broken=broken)
    lost = returned(tagged, place, protocol)
    yield Move(f"{said}, answer lost", lost, fault=True, broken=broken)


def _acknowledge(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    worker = state.workers[place]
    job = state.jobs[worker.job]
    hasty = worker.saw_ended and job.status in ENDED and job.tag is Tag.NONE
    yield Move(
        f"the worker on job {worker.job} acknowledges",
        state.with_worker(place, Worker()),
        broken="I7" if hasty and protocol.acknowledges_last else None,
    )
