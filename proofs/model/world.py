"""What SageMaker, the queue and people may do at any moment, whether or not anybody works."""

from collections.abc import Iterator

from proofs.model.states import ENDED, FINAL, OURS, Job, Move, Protocol, State, Status, Step, Tag

SWEEP = "the sweep asks for every job that is left over"
_MOST_ACCEPTED = 2  # one more than allowed is enough to know


def happenings(state: State, number: int, protocol: Protocol) -> Iterator[Move]:
    job = state.jobs[number]
    if job.status is Status.RUNNING:
        for status, how in (
            (Status.FAILED, "fails"),
            (Status.COMPLETED, "completes"),
            (Status.STOPPED, "is stopped by a person"),
        ):
            ended = state.with_job(number, status=status, message=True)
            yield Move(f"job {number} {how}; an event", ended, fault=True)
    if job.message:
        yield Move(
            f"the message about job {number} is lost",
            state.with_job(number, message=False),
            fault=True,
        )
    elif job.status in OURS:
        yield Move(
            f"an event about job {number} comes, again or early",
            state.with_job(number, message=True),
            fault=True,
        )
    if job.underway:
        yield from _arrives_late(state, number)
    if job.status in ENDED and number > 0 and _may_be_deleted(state, number, protocol):
        gone = Job(message=job.message, accepted=job.accepted, underway=job.underway)
        yield Move(f"a person deletes job {number}", state.with_whole_job(number, gone), fault=True)


def sweep(state: State) -> Iterator[Move]:
    swept = tuple(j._replace(message=True) if is_left_over(j) else j for j in state.jobs)
    if swept != state.jobs:
        yield Move(SWEEP, state._replace(jobs=swept))


def _arrives_late(state: State, number: int) -> Iterator[Move]:
    landed, broken = state.with_job(number, underway=False), None
    if state.jobs[number].status is Status.ABSENT:
        landed = accepted(landed, number, counted=True)
        broken = wrong_launch(state, number)
    yield Move(f"a create of job {number} arrives late", landed, fault=True, broken=broken)


def _may_be_deleted(state: State, number: int, protocol: Protocol) -> bool:
    """Assume that a name is freed only when nobody can still be about to use it.

    That is: its parent bears a final verdict, no create call is under way, and no invocation is
    still at work that looked at the parent before (Lambda ends them after a minute).
    """
    if not protocol.names_stay_taken:
        return True
    parent_settled = state.jobs[number - 1].tag in FINAL
    at_work = any(w.step is not Step.IDLE and w.job == number - 1 for w in state.workers)
    return parent_settled and not at_work and not state.jobs[number].underway


def is_left_over(job: Job) -> bool:
    """What the sweep looks for: an ended job without a verdict, or an overdue wait."""
    waits = job.tag is Tag.WAIT and job.overdue
    return job.status in ENDED and (job.tag is Tag.NONE or waits)


def accepted(state: State, number: int, *, counted: bool) -> State:
    job = state.jobs[number]
    accepted = min(_MOST_ACCEPTED, job.accepted + 1)
    if job.status is not Status.ABSENT:  # a second job, under another name
        return state.with_job(number, accepted=accepted)
    born = Job(Status.RUNNING, message=job.message, accepted=accepted, counted=counted)
    return state.with_whole_job(number, born._replace(underway=job.underway))


def wrong_launch(state: State, number: int) -> str | None:
    """What a launch of this job, now, would break."""
    parent = state.jobs[number - 1].status
    return {Status.RUNNING: "I2", Status.COMPLETED: "I2", Status.STOPPED: "I8"}.get(parent)
