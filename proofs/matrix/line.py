"""The line between the controller and the services: it fails where it is told to, and remembers."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from threading import Lock, local
from typing import Any

from local.in_memory import Clock
from proofs.matrix.account import Account
from proofs.matrix.faults import CLOCK_JUMPS, Crash, Fault, NoAnswer, refusal
from proofs.matrix.resources import Refused
from proofs.matrix.steps import OF_THE_SWEEP, SoFar, Step, step_of
from proofs.matrix.switches import breaker_in
from resilience.decide.breaker import Circuit

GARBAGE = "<html>no such page"
SET_BREAKER = "set the breaker: "  # what a person did, and then the word


@dataclass(slots=True)
class Delivery:
    """One run of a function: of one message, or a sweep (without a message and a job)."""

    number: int
    process: str
    job: str | None
    message: int | None
    began: int  # place in the history
    outcome: str = "runs"  # then: acknowledged, returned or crashed


_NOBODY = Delivery(0, "nobody", "", None, 0)  # a client that is used apart from any function


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the service saw it. `answer` is None where there was none."""

    place: int
    at: int
    delivery: Delivery
    step: Step
    asked: Mapping[str, Any]
    answer: Mapping[str, Any] | None
    refused: str | None = None
    stale: bool = False
    late: bool = False
    logical: str = ""  # the same for all that the SDK sends of one call


@dataclass(frozen=True, slots=True)
class Act:
    """What a person or the training did."""

    place: int
    at: int
    what: str
    job: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The end of a delivery; `standing` are the job's tags at that moment."""

    place: int
    at: int
    delivery: Delivery
    standing: Mapping[str, str]
    set_aside: int


@dataclass(slots=True)
class Plan:
    """Which fault hits which call, once, and all its resends."""

    step: Step
    fault: Fault
    process: str = "A"
    call: str | None = None  # the logical call that it has hit
    attempts: int = 0
    spared: int = 0  # how many calls at the step go well first

    @property
    def is_of_the_sweep(self) -> bool:
        return self.step in OF_THE_SWEEP

    def hits(self, delivery: Delivery, step: Step, call: str) -> bool:
        if self.step is not step or self.call not in (None, call):
            return False
        if self.process != delivery.process:
            return False
        if self.spared:
            self.spared -= 1
            return False
        self.call = call
        self.attempts += 1
        return True


@dataclass(slots=True)
class Outage:
    """A service that is down: whoever calls these steps, it fails, until the clock says so."""

    steps: frozenset[Step]
    fault: Fault
    clock: Clock
    until: float = inf
    attempts: int = 0

    @property
    def is_of_the_sweep(self) -> bool:
        return not self.steps.isdisjoint(OF_THE_SWEEP)

    def hits(self, delivery: Delivery, step: Step, call: str) -> bool:  # noqa: ARG002 — as Plan
        hit = step in self.steps and self.clock() < self.until
        self.attempts += hit
        return hit


@dataclass(slots=True)
class Line:
    """Takes each request to the account, unless a plan has it fail."""

    account: Account
    clock: Clock
    plans: list[Plan | Outage] = field(default_factory=list)
    history: list[Call | Act | Taken] = field(default_factory=list)
    skew: int = 0  # of the functions' clock
    late: list[Callable[[], None]] = field(default_factory=list)
    on_request: list[Callable[[Delivery, Step], None]] = field(default_factory=list)
    on_effect: list[Callable[[Call], None]] = field(default_factory=list)
    _so_far: defaultdict[int, SoFar] = field(default_factory=lambda: defaultdict(SoFar))
    _one_at_a_time: Lock = field(default_factory=Lock)
    _who: local = field(default_factory=local)

    @property
    def delivery(self) -> Delivery:
        found: Delivery = getattr(self._who, "delivery", _NOBODY)
        return found

    @delivery.setter
    def delivery(self, delivery: Delivery) -> None:
        self._who.delivery = delivery

    def send(self, operation: str, asked: Mapping[str, Any], call: str) -> Mapping[str, Any] | str:
        """Answer one request; a text is an answer that nobody can read."""
        delivery = self.delivery
        self._who.call = call
        so_far = self._so_far[delivery.number]
        step = step_of(operation, asked, delivery.job, so_far)
        so_far.note(step, asked)
        for told in self.on_request:
            told(delivery, step)
        plan = next((one for one in self.plans if one.hits(delivery, step, call)), None)
        if plan is None:
            return self._do(operation, asked, step)
        return self._fail(plan, operation, asked, step)

    def _do(
        self,
        operation: str,
        asked: Mapping[str, Any],
        step: Step,
        *,
        stale: bool = False,
        late: bool = False,
    ) -> Mapping[str, Any]:
        delivery = self.delivery
        try:
            with self._one_at_a_time:
                answer = self.account.answer(operation, asked, stale=stale)
        except Refused as refused:
            self._note(delivery, step, asked, None, refused=refused.code, stale=stale, late=late)
            raise
        if step is Step.SWEEP_SWITCHES:
            is_open = breaker_in(answer).state is not Circuit.CLOSED
            self._so_far[delivery.number].is_open = is_open
        call = self._note(delivery, step, asked, answer, stale=stale, late=late)
        for told in self.on_effect:
            told(call)
        return answer

    def _note(
        self,
        delivery: Delivery,
        step: Step,
        asked: Mapping[str, Any],
        answer: Mapping[str, Any] | None,
        **more: Any,  # noqa: ANN401 — the flags of Call
    ) -> Call:
        logical: str = getattr(self._who, "call", "")
        place, at = len(self.history), self.clock()
        call = Call(place, at, delivery, step, asked, answer, logical=logical, **more)
        self.history.append(call)
        return call

    def _fail(
        self, plan: Plan | Outage, operation: str, asked: Mapping[str, Any], step: Step
    ) -> Mapping[str, Any] | str:
        refused = refusal(plan.fault, step)
        if refused is not None:
            self._note(self.delivery, step, asked, None, refused=refused.code)
            raise refused
        match plan.fault:
            case Fault.CRASH_BEFORE:
                raise Crash(step)
            case Fault.LATE_SUCCESS:
                if plan.attempts == 1:
                    self._have_it_late(operation, asked, step)
                raise NoAnswer
            case Fault.GARBLED:
                return GARBAGE
            case Fault.STALE:
                return self._do(operation, asked, step, stale=True)
            case Fault.CLOCK_AHEAD | Fault.CLOCK_BEHIND:
                self.skew = CLOCK_JUMPS[plan.fault]
                return self._do(operation, asked, step)
            case _:
                return self._fail_after(plan, operation, asked, step)

    def _fail_after(
        self, plan: Plan | Outage, operation: str, asked: Mapping[str, Any], step: Step
    ) -> Mapping[str, Any] | str:
        """Have the effect, and then fail."""
        answer = self._do(operation, asked, step)
        if plan.fault is Fault.CRASH_AFTER:
            raise Crash(step)
        if plan.fault is Fault.LOST_RESPONSE and plan.attempts == 1:
            raise NoAnswer
        return GARBAGE if plan.fault is Fault.GARBLED_AFTER else answer

    def _have_it_late(self, operation: str, asked: Mapping[str, Any], step: Step) -> None:
        delivery, call = self.delivery, self._who.call

        def land() -> None:
            self.delivery, self._who.call = delivery, call
            try:
                self._do(operation, asked, step, late=True)
            except Refused:
                return  # nobody waits for the answer any more

        self.late.append(land)

    def land_late(self) -> None:
        """Have what is still under way arrive."""
        late, self.late = self.late, []
        for land in late:
            land()
