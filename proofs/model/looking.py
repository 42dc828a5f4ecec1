"""A worker looks at its job and decides."""

from collections.abc import Iterator

from proofs.model.states import (
    ENDED,
    FINAL,
    Age,
    Move,
    Protocol,
    State,
    Status,
    Step,
    Tag,
    Worker,
)
from proofs.model.steps import may_stop

_UNNOTICED = (Step.ACKNOWLEDGE, Tag.NONE)
_AWAITED = frozenset({Status.FAILED, Status.UNSTARTED})


def observe(state: State, place: int, protocol: Protocol) -> Iterator[Move]:
    """Mode, Describe and ListTags: one step, as what changes between them may change after."""
    worker = state.workers[place]
    job, said = state.jobs[worker.job], f"the worker on job {worker.job} "
    if not state.acts and protocol.reads_modes:
        done = worker._replace(step=Step.ACKNOWLEDGE)
        yield Move(said + "finds the stack switched off", state.with_worker(place, done))
        return
    for status in _statuses_read(job.status, protocol):
        for tag in tags_read(job.tag, protocol):
            stale = (status, tag) != (job.status, job.tag) and protocol.observes_afresh
            shown = f"looks: {status.name.lower()}, verdict {tag.name.lower()}"
            for what, decided, fault in _decided(state, place, status, tag, protocol):
                yield Move(
                    f"{said}{shown}{' (stale)' if stale else ''}; {what}",
                    _met(state, place, protocol, decided),
                    fault=fault or stale,
                )


def _met(state: State, place: int, protocol: Protocol, decided: Worker) -> State:
    """Whoever is at work on the job as well has met this worker, and it them."""
    others = state.others(place)
    if not (protocol.meets_without_dying and others):
        return state.with_worker(place, decided)
    workers = [
        decided._replace(met=True)
        if here == place
        else (one._replace(met=True) if one in others else one)
        for here, one in enumerate(state.workers)
    ]
    return state._replace(workers=tuple(sorted(workers)))


def _statuses_read(status: Status, protocol: Protocol) -> tuple[Status, ...]:
    if not protocol.observes_afresh:
        return (Status.FAILED,)
    lags = not protocol.reads_are_fresh and status in ENDED
    return (status, Status.RUNNING) if lags else (status,)


def tags_read(tag: Tag, protocol: Protocol) -> tuple[Tag, ...]:
    if not protocol.honours_verdicts:
        return (Tag.NONE,)
    return (tag,) if protocol.reads_are_fresh or tag is Tag.NONE else (tag, Tag.NONE)


def _decided(
    state: State, place: int, status: Status, tag: Tag, protocol: Protocol
) -> Iterator[tuple[str, Worker, bool]]:
    """What it decides, as what it does next, and whether something has to fail for it."""
    worker = state.workers[place]
    job = state.jobs[worker.job]
    looked = worker._replace(
        saw_ended=status in ENDED,
        too_late=job.tag in FINAL,
        began_off=not state.acts,
    )
    for what, step, verdict, fault in _choices(state, place, status, tag, protocol):
        done = step is Step.ACKNOWLEDGE
        late = looked.too_late and not done
        yield what, looked._replace(step=step, verdict=verdict, too_late=late), fault


def _choices(
    state: State, place: int, status: Status, tag: Tag, protocol: Protocol
) -> Iterator[tuple[str, Step, Tag, bool]]:
    number = state.workers[place].job
    job = state.jobs[number]
    tried = state.tried == number
    waits = tag is Tag.WAIT and not job.overdue and not tried
    if status not in ENDED or tag in FINAL or waits:
        yield "nothing to do", Step.ACKNOWLEDGE, Tag.NONE, False
    elif status not in _AWAITED:
        yield "done with it", Step.RECORD, Tag.IGNORE, False
    elif tag is Tag.NONE and job.age is Age.TOO_OLD:
        yield "it ended too long ago", Step.CHECK, Tag.STOP, False
    elif number == len(state.jobs) - 1 and job.counted:
        yield "the budget is spent", Step.CHECK, Tag.STOP, False
    elif tag is Tag.NONE and status is Status.UNSTARTED:
        yield "it never trained", Step.CHECK, Tag.WAIT, False
    else:
        first = Step.CREATE if protocol.creates_before_recording else Step.RECORD
        if state.holds and not tried:
            held = (Step.CHECK, Tag.WAIT) if protocol.holds_by_a_tag else _UNNOTICED
            yield "the fleet breaker holds it", *held, False
        if tried or not state.holds or status is Status.FAILED:  # then it may have advanced
            yield "relaunch", first, Tag.RELAUNCH, False
        yield "W&B is away: wait", Step.CHECK, Tag.WAIT, True
        if may_stop(state, place, protocol):
            yield "W&B shows nothing to resume: stop", Step.CHECK, Tag.STOP, True
