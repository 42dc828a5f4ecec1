"""What the model is made of: one lineage, its attempts numbered from 0 (the root), two workers.

A message about a job is one bit: it is there or not. That is no restriction, because at any moment
the environment may bring it again (duplicate, late, premature, redriven) or lose it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


class Status(IntEnum):
    ABSENT = 0
    RUNNING = 1
    FAILED = 2
    COMPLETED = 3
    STOPPED = 4  # by a person
    FOREIGN = 5  # somebody else's job has this name


class Tag(IntEnum):
    """The verdict that stands on a job."""

    NONE = 0
    WAIT = 1
    RELAUNCH = 2
    STOP = 3
    IGNORE = 4


class Step(IntEnum):
    """What a worker does next."""

    IDLE = 0
    OBSERVE = 1
    CREATE = 2
    LABEL = 3  # only where tags are not set inline
    ADJUDICATE = 4
    CHECK = 5
    RECORD = 6
    ACKNOWLEDGE = 7


ENDED = frozenset({Status.FAILED, Status.COMPLETED, Status.STOPPED})
OURS = ENDED | {Status.RUNNING}
FINAL = frozenset({Tag.RELAUNCH, Tag.STOP, Tag.IGNORE})


class Job(NamedTuple):
    status: Status = Status.ABSENT
    tag: Tag = Tag.NONE
    message: bool = False  # a message about it is in the queue
    overdue: bool = False  # its wait is over
    waited: bool = False  # it has waited once; the second wait is over its total time
    accepted: int = 0  # how many creates of this attempt SageMaker has ever accepted
    counted: bool = True  # it bears the lineage's tags
    underway: bool = False  # a create call that nobody waits for any more may still arrive


class Worker(NamedTuple):
    step: Step = Step.IDLE
    job: int = 0
    verdict: Tag = Tag.NONE  # to be recorded
    too_late: bool = False  # a final verdict stood already when it looked
    saw_ended: bool = False


class State(NamedTuple):
    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]

    def with_job(self, number: int, **changes: Any) -> "State":  # noqa: ANN401 — Job's own fields
        return self.with_whole_job(number, self.jobs[number]._replace(**changes))

    def with_whole_job(self, number: int, job: Job) -> "State":
        return self._replace(jobs=(*self.jobs[:number], job, *self.jobs[number + 1 :]))

    def with_worker(self, place: int, worker: Worker) -> "State":
        """Workers are interchangeable: states that differ in who does what are one state."""
        others = self.workers[:place] + self.workers[place + 1 :]
        return self._replace(workers=tuple(sorted((*others, worker))))


class Move(NamedTuple):
    """One step of somebody. `fault`: what need not happen; all else happens if nothing fails."""

    label: str
    state: State
    fault: bool = False
    broken: str | None = None  # the invariant that this very step breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The elements of the protocol, and what is assumed of the world; each can be taken out."""

    deterministic_name: bool = True
    adjudicates: bool = True
    checks_before_holding: bool = True
    labels_inline: bool = True
    creates_before_recording: bool = True
    acknowledges_last: bool = True
    observes_afresh: bool = True
    honours_verdicts: bool = True
    sweeps: bool = True
    # What is assumed of the world, and not done by the protocol.
    names_stay_taken: bool = True
    reads_are_fresh: bool = True
    holds_alone: bool = True
