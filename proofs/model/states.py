"""What the model is made of: one lineage, its attempts numbered from 0 (the root), its workers.

A message about a job may come at any moment, again, late, early or redriven, or never: so nothing
is remembered of it. Only once nothing fails any more is there a message because the sweep sent it;
neither events, nor redeliveries, nor schedules are needed then. Time is as coarse as the protocol
can tell: whether a wait is over, and how long ago an unjudged job ended.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


class Status(IntEnum):
    ABSENT = 0
    RUNNING = 1
    FAILED = 2  # it had trained
    UNSTARTED = 3  # it failed before it trained
    COMPLETED = 4
    STOPPED = 5  # by a person
    FOREIGN = 6  # somebody else's job has this name


class Tag(IntEnum):
    """The verdict that stands on a job."""

    NONE = 0
    WAIT = 1
    RELAUNCH = 2
    STOP = 3
    IGNORE = 4


class Age(IntEnum):
    """How long ago a job ended that has no verdict."""

    FRESH = 0
    DAYS = 1
    TOO_OLD = 2  # nobody expects it back: it needs a person's word


class Step(IntEnum):
    """What a worker does next."""

    IDLE = 0
    OBSERVE = 1
    CREATE = 2
    LABEL = 3  # only where tags are not set inline
    ADJUDICATE = 4
    CHECK = 5
    RECORD = 6
    SCHEDULE = 7
    LOOK_TWICE = 8
    ACKNOWLEDGE = 9


ENDED = frozenset({Status.FAILED, Status.UNSTARTED, Status.COMPLETED, Status.STOPPED})
OURS = ENDED | {Status.RUNNING}
FINAL = frozenset({Tag.RELAUNCH, Tag.STOP, Tag.IGNORE})


class Job(NamedTuple):
    status: Status = Status.ABSENT
    tag: Tag = Tag.NONE
    message: bool = False  # the sweep has asked for it
    overdue: bool = False  # its wait is over
    age: Age = Age.FRESH
    accepted: int = 0  # how many creates of this attempt SageMaker has ever accepted
    counted: bool = True  # it bears the lineage's tags
    underway: bool = False  # a create call that nobody waits for any more may still arrive
    made: int = 0  # how often its name had been used before
    of: int = 0  # `made` of the job that it continues


class Worker(NamedTuple):
    step: Step = Step.IDLE
    job: int = 0
    verdict: Tag = Tag.NONE  # to be recorded
    asks: bool = False  # it holds the job back, and does not know of a successor of its own
    met: bool = False  # another was at work on the job since it looked
    too_late: bool = False  # a final verdict stood already when it looked
    saw_ended: bool = False
    began_off: bool = False  # it goes on although it began when the mode was off


class State(NamedTuple):
    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]
    acts: bool = True  # the stack's mode
    holds: bool = False  # the fleet breaker is open, or half open
    tried: int = -1  # half open: the job that it lets through; -1: none of this lineage

    def with_job(self, number: int, **changes: Any) -> "State":  # noqa: ANN401 — Job's own fields
        return self.with_whole_job(number, self.jobs[number]._replace(**changes))

    def with_whole_job(self, number: int, job: Job) -> "State":
        return self._replace(jobs=(*self.jobs[:number], job, *self.jobs[number + 1 :]))

    def with_worker(self, place: int, worker: Worker) -> "State":
        """Workers are interchangeable: states that differ in who does what are one state."""
        others = self.workers[:place] + self.workers[place + 1 :]
        return self._replace(workers=tuple(sorted((*others, worker))))

    def is_ours(self, number: int) -> bool:
        """Whether the job of this number continues the one before it, as that one is now."""
        job = self.jobs[number]
        return job.status in OURS and job.of == self.jobs[number - 1].made

    def others(self, place: int) -> tuple[Worker, ...]:
        """Who else is at work on the same job."""
        mine = self.workers[place].job
        return tuple(
            worker
            for other, worker in enumerate(self.workers)
            if other != place and worker.step is not Step.IDLE and worker.job == mine
        )


class Move(NamedTuple):
    """One step of somebody. `fault`: what need not happen; all else happens if nothing fails."""

    label: str
    state: State
    fault: bool = False
    broken: str | None = None  # the invariant that this very step breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of the world is in the model."""

    attempts: int = 2
    workers: int = 2
    modes: bool = False  # people switch the stack off and on
    breaker: bool = False  # the fleet's opens, tries one job and closes, for other lineages as well
    ages: bool = False  # days pass
    reuse: bool = False  # the root's name is deleted and used again
    again: bool = False  # a person has what was stopped decided on again
    scheduler: bool = True  # EventBridge Scheduler answers, but for faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The elements of the protocol, and what is assumed of the world; each can be taken out."""

    deterministic_name: bool = True
    adjudicates: bool = True
    knows_parents_by_their_time: bool = True
    checks_before_holding: bool = True
    looks_twice: bool = True
    labels_inline: bool = True
    creates_before_recording: bool = True
    waits_by_tag: bool = True  # the tag first; the schedule second, and only if it can be had
    acknowledges_last: bool = True
    observes_afresh: bool = True
    honours_verdicts: bool = True
    reads_modes: bool = True
    sweeps: bool = True
    sweeps_as_far_back_as_it_acts: bool = True
    holds_by_a_tag: bool = True  # what the breaker holds back waits, and does not only go unnoticed
    closes_by_itself: bool = True  # the breaker
    # What is assumed of the world, and not done by the protocol.
    names_stay_taken: bool = True
    reads_are_fresh: bool = True
    meets_without_dying: bool = True
