"""A history of the matrix in the words of the model: only what both can tell, nothing that is read.

What only one of them knows is left out: reads, notifications, reminders and schedules, and jobs
that are not of the lineage.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from proofs.matrix.line import SET_BREAKER, Act, Call, Delivery, Taken
from proofs.matrix.record import Record, tags_of
from proofs.matrix.steps import Step
from proofs.matrix.story import JOB
from proofs.matrix.switches import breaker_set
from proofs.model.world import BREAKER_CLOSES, BREAKER_OPENS
from resilience.decide.breaker import Breaker, Circuit
from resilience.wire.switches import breaker_of

_SEARCHES = (Step.FIND_WAITING, Step.FIND_AGAIN, Step.FIND_UNJUDGED)
_ACTS = {
    "failed": "job {} fails",
    "failed before it trained": "job {} fails before it trained",
    "stopped": "job {} is stopped by a person",
    "deleted": "a person deletes job {}",
    "launched anew": "a person deletes job {} and uses its name again",
    "asked again": "a person has job {} decided on again",
    "another's gone": "another's job with the name of job {} is gone",
    "switched off": "the stack is switched off",
    "switched on": "the stack is switched on",
}


@dataclass(frozen=True, slots=True)
class Begins:
    """A delivery begins."""

    delivery: int
    job: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A delivery has seen its job and its tags, if it ever does."""

    delivery: int
    job: int


@dataclass(frozen=True, slots=True)
class Ends:
    delivery: int
    job: int
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Does:
    """A delivery has an effect; one that is `late` has it when its delivery has ended."""

    delivery: int
    job: int
    label: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Happens:
    label: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The sweep asks for these jobs."""

    jobs: tuple[int, ...]


Event = Begins | Looked | Ends | Does | Happens | Asked


def retold(record: Record, root: str = JOB) -> tuple[Event, ...]:
    """Tell what became of one lineage, by the name of its first job."""
    return tuple(_Teller(root).tell(record))


class _Teller:
    """Tells one history; a delivery's number is its place in the order of beginning."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._named = root  # what its successors are named by: a root may be used again
        self._numbers: dict[int, int] = {}
        self._said: set[str] = set()  # logical calls: what the SDK sends again is no new effect
        self._breaker = Breaker()

    def tell(self, record: Record) -> Iterator[Event]:
        for one in record.history:
            if isinstance(one, Act):
                yield from self._act(one)
                continue
            if one.delivery.job is None:
                if isinstance(one, Call) and one.step is Step.SET_BREAKER and one.answer:
                    yield from self._set_breaker(breaker_set(one.asked, one.at))
                yield from self._of_the_sweep(one, record)
                continue
            job = self._number_of(one.delivery.job)
            if job is None:
                continue
            if one.delivery.number not in self._numbers:
                yield Begins(self._number(one.delivery), job)
            yield from self._of_a_worker(one, job)

    def _number_of(self, job: str) -> int | None:
        """Number an attempt from 0; None where the job is not of the lineage."""
        found = re.fullmatch(rf"{self._named}-r([0-9]+)", job)
        if job == self._root:
            return 0
        return None if found is None else int(found[1]) - 1

    def _number(self, delivery: Delivery) -> int:
        return self._numbers.setdefault(delivery.number, len(self._numbers))

    def _set_breaker(self, breaker: Breaker) -> Iterator[Event]:
        """Its state, where it is another one for this lineage."""
        told = [self._told_of(one) for one in (self._breaker, breaker)]
        self._breaker = breaker
        if told[0] != told[1]:
            yield Happens(told[1])

    def _told_of(self, breaker: Breaker) -> str:
        """The state as the move that brings it about; another lineage is tried in an open one."""
        if breaker.state is Circuit.CLOSED:
            return BREAKER_CLOSES
        job = self._number_of(breaker.probe)
        return BREAKER_OPENS if job is None else f"the breaker tries job {job}"

    def _act(self, act: Act) -> Iterator[Event]:
        if act.what.startswith(SET_BREAKER):
            yield from self._set_breaker(breaker_of(act.what.removeprefix(SET_BREAKER), act.at))
        job = self._number_of(act.job)
        if act.what in _ACTS and (job is not None or act.job == "the stack"):
            if act.what == "deleted" and job == 0:
                return  # then it is launched anew, and that is one move
            yield Happens(_ACTS[act.what].format(job))

    def _of_the_sweep(self, one: Call | Taken, record: Record) -> Iterator[Event]:
        if not isinstance(one, Call) or one.answer is None or one.step not in _SEARCHES:
            return
        looks = list(record.asked(one.delivery, *_SEARCHES))
        if one is looks[0] and not any(look.stale for look in looks):
            yield Asked(tuple(self._asked_for(one.delivery, record)))

    def _asked_for(self, sweep: Delivery, record: Record) -> Iterator[int]:
        """The jobs that a sweep asked for; it did so as it saw them when it began to look."""
        for call in record.asked(sweep, Step.ASK_TO_CHECK):
            bodies = (json.loads(entry["MessageBody"]) for entry in call.asked["Entries"])
            numbers = (self._number_of(body["detail"]["TrainingJobName"]) for body in bodies)
            yield from (one for one in numbers if one is not None)

    def _of_a_worker(self, one: Call | Taken, job: int) -> Iterator[Event]:
        number = self._number(one.delivery)
        if isinstance(one, Taken):
            yield Ends(number, job, one.delivery.outcome == "acknowledged")
        elif one.refused == "ResourceInUse" and not one.late:
            in_use = f"the worker on job {job} creates job {job + 1}: ResourceInUse"
            yield Does(number, job, in_use)
        elif one.answer is not None and one.logical not in self._said:
            yield from _effect(one, number, job)
            if one.step is Step.CREATE:
                self._named = one.asked["Environment"]["RESILIENCE_ROOT"]
            self._said.update([one.logical] if one.step in {Step.CREATE, Step.ADD_TAGS} else [])


def _effect(call: Call, delivery: int, job: int) -> Iterator[Event]:
    if call.step is Step.LIST_MORE_TAGS:
        yield Looked(delivery, job)
    elif call.step is Step.CREATE and call.late:
        yield Happens(f"a create of job {job + 1} arrives late")
    elif call.step is Step.CREATE:
        yield Does(delivery, job, f"the worker on job {job} creates job {job + 1}: accepted")
    elif call.step is Step.ADD_TAGS:
        verdict = tags_of(call)["resilience:verdict"]
        yield Does(delivery, job, f"the worker on job {job} records {verdict}", late=call.late)
