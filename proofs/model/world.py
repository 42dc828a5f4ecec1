"""What SageMaker, the queue and people may do at any moment, whether or not anybody works."""

from collections.abc import Iterator

from proofs.model.states import (
    ENDED,
    FINAL,
    Age,
    Extent,
    Job,
    Move,
    Protocol,
    State,
    Status,
    Step,
    Tag,
)

SWEEP = "the sweep asks for every job that is left over"
BREAKER_OPENS, BREAKER_CLOSES = "the breaker opens", "the breaker closes"
_TRAINED = frozenset({Status.RUNNING, Status.COMPLETED, Status.FAILED})
_MOST_ACCEPTED = 2  # one more than allowed is enough to know
_HARMLESS = frozenset({Step.IDLE, Step.ACKNOWLEDGE})  # nothing is done to a job after these
_ENDS = (
    (Status.FAILED, "fails"),
    (Status.UNSTARTED, "fails before it trained"),
    (Status.COMPLETED, "completes"),
    (Status.STOPPED, "is stopped by a person"),
)


def happenings(state: State, number: int, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    job = state.jobs[number]
    if job.status is Status.RUNNING:
        yield from _ends(state, number)
    if job.status is Status.FOREIGN and not job.underway:
        free = state.with_whole_job(number, job._replace(status=Status.ABSENT))
        yield Move(f"another's job with the name of job {number} is gone", free, fault=True)
    if job.underway:
        yield from _arrives_late(state, number)
    if extent.again:
        yield from _people_ask_again(state, number)
    if extent.ages:
        yield from _days_pass(state, number)
    yield from _people_delete(state, number, protocol, extent)


def _ends(state: State, number: int) -> Iterator[Move]:
    for status, how in _ENDS:
        if status is Status.UNSTARTED and number == len(state.jobs) - 1:
            continue  # no ledger counts it, so that it would go on beyond what is modelled
        yield Move(f"job {number} {how}", state.with_job(number, status=status), fault=True)


def _people_ask_again(state: State, number: int) -> Iterator[Move]:
    """A person puts right what stopped a job, or knows why an old one is to come back."""
    job = state.jobs[number]
    worked_on = any(w.step is not Step.IDLE and w.job == number for w in state.workers)
    followed = number + 1 < len(state.jobs) and state.jobs[number + 1].underway
    if worked_on or followed or job.status not in ENDED:
        return
    if job.tag is Tag.STOP or job.age is Age.TOO_OLD:
        again = state.with_job(number, tag=Tag.NONE, age=Age.FRESH)
        yield Move(f"a person has job {number} decided on again", again, fault=True)


def _days_pass(state: State, number: int) -> Iterator[Move]:
    """A job waits for its verdict for days; whoever was at work on it has long ended by then."""
    job = state.jobs[number]
    worked_on = any(w.step is not Step.IDLE and w.job == number for w in state.workers)
    followed = number + 1 < len(state.jobs) and state.jobs[number + 1].underway
    if job.status not in ENDED or job.tag is not Tag.NONE or worked_on or followed:
        return
    if job.age is not Age.TOO_OLD:
        older = state.with_job(number, age=Age(job.age + 1))
        yield Move(f"days pass, and job {number} has no verdict", older, fault=True)


def switches(state: State) -> Iterator[Move]:
    """A person turns the stack off; that it is turned on again is no fault."""
    if state.acts:
        yield Move("the stack is switched off", state._replace(acts=False), fault=True)
    else:
        yield Move("the stack is switched on", state._replace(acts=True))


def breaker_moves(state: State) -> Iterator[Move]:
    """The fleet breaker's moves at any time: other lineages die, or train, as well."""
    held = [at for at, job in enumerate(state.jobs) if job.status in ENDED]
    for label, holds, tried in (
        (BREAKER_OPENS, True, -1),
        (BREAKER_CLOSES, False, -1),
        *((f"the breaker tries job {at}", True, at) for at in held if state.holds),
    ):
        if (holds, tried) != (state.holds, state.tried):
            yield Move(label, state._replace(holds=holds, tried=tried), fault=True)


def sweep(state: State, protocol: Protocol) -> Iterator[Move]:
    for moved in _breaker_moved(state, protocol):
        swept = tuple(
            job._replace(message=True) if is_left_over(job, protocol) else job for job in moved.jobs
        )
        if (after := moved._replace(jobs=swept)) != state:
            yield Move(SWEEP, after)


def _breaker_moved(state: State, protocol: Protocol) -> Iterator[State]:
    """The breaker after a sweep that came when it had been open for long enough."""
    if not (state.holds and protocol.closes_by_itself):
        yield state
    elif state.tried < 0:
        yield from _with_one_tried(state)
    elif state.jobs[state.tried].tag is Tag.WAIT:
        yield state.with_job(state.tried, message=True)
    else:
        yield from _answered(state, state.tried + 1)


def _with_one_tried(state: State) -> Iterator[State]:
    held = [at for at, job in enumerate(state.jobs) if job.status in ENDED and job.tag is Tag.WAIT]
    for at in held:
        yield state._replace(tried=at).with_job(at, message=True)
    if not held:
        yield state._replace(holds=False, tried=-1)


def _answered(state: State, number: int) -> Iterator[State]:
    """What became of the trial decides; where it never trained, the next one is tried."""
    there = number < len(state.jobs) and state.is_ours(number)
    status = state.jobs[number].status if there else Status.ABSENT
    if status not in _TRAINED:
        yield from _with_one_tried(state._replace(tried=-1))
        return
    yield state._replace(holds=False, tried=-1)
    if status is Status.FAILED:  # sooner than those before it, or later: both may be
        yield state._replace(tried=-1)


def is_left_over(job: Job, protocol: Protocol) -> bool:
    """What the sweep looks for: an ended job without a verdict, or an overdue wait."""
    oldest = Age.DAYS if protocol.sweeps_as_far_back_as_it_acts else Age.FRESH
    waits = job.tag is Tag.WAIT and job.overdue
    return job.status in ENDED and ((job.tag is Tag.NONE and job.age <= oldest) or waits)


def _arrives_late(state: State, number: int) -> Iterator[Move]:
    landed, broken = state.with_job(number, underway=False), None
    if state.jobs[number].status is Status.ABSENT:
        landed = accepted(landed, number, counted=True)
        broken = wrong_launch(state, number)
    yield Move(f"a create of job {number} arrives late", landed, fault=True, broken=broken)


def _people_delete(state: State, number: int, protocol: Protocol, extent: Extent) -> Iterator[Move]:
    job = state.jobs[number]
    if number == 0:
        yield from _people_reuse(state, extent)
    elif job.status in ENDED and _may_be_deleted(state, number, protocol, extent):
        gone = Job(accepted=job.accepted, underway=job.underway, of=job.of)
        yield Move(f"a person deletes job {number}", state.with_whole_job(number, gone), fault=True)


def _people_reuse(state: State, extent: Extent) -> Iterator[Move]:
    """A person deletes the root, with nobody at work on it, and trains anew under its name."""
    root = state.jobs[0]
    if not extent.reuse or root.made or root.status not in ENDED:
        return
    worked_on = any(w.step is not Step.IDLE and w.job == 0 for w in state.workers)
    if worked_on or any(job.underway for job in state.jobs):
        return
    anew = Job(Status.RUNNING, accepted=1, made=1)
    yield Move(
        "a person deletes job 0 and uses its name again", state.with_whole_job(0, anew), fault=True
    )


def _may_be_deleted(state: State, number: int, protocol: Protocol, extent: Extent) -> bool:
    """Assume that a name is freed only when nobody can still be about to use it (A1).

    That is: its parent bears a final verdict, no create call is under way, and no invocation is
    still to act that looked at the parent before (Lambda ends them after a minute). Where names are
    used again, none that looked at this very job either.
    """
    if not protocol.names_stay_taken:
        return True
    parent = state.jobs[number - 1]
    settled = parent.tag in FINAL or parent.made != state.jobs[number].of
    acting = any(w.step not in _HARMLESS and w.job == number - 1 for w in state.workers)
    looked = any(w.step is not Step.IDLE and w.job == number for w in state.workers)
    at_work = acting or (extent.reuse and looked)
    return settled and not at_work and not state.jobs[number].underway


def accepted(state: State, number: int, *, counted: bool) -> State:
    """SageMaker makes the job of this number: the first of its parent's, or one more."""
    job, parent = state.jobs[number], state.jobs[number - 1].made
    before = job.accepted if job.of == parent else 0
    accepted = min(_MOST_ACCEPTED, before + 1)
    if job.status is not Status.ABSENT:  # a second job, under another name
        return state.with_job(number, accepted=accepted)
    born = Job(Status.RUNNING, accepted=accepted, counted=counted, of=parent)
    return state.with_whole_job(number, born._replace(underway=job.underway))


def wrong_launch(state: State, number: int) -> str | None:
    """What a launch of this job, now, would break."""
    parent = state.jobs[number - 1].status
    return {Status.RUNNING: "I2", Status.COMPLETED: "I2", Status.STOPPED: "I8"}.get(parent)
