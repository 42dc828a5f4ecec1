"""Faults in pairs, in lineages that people and machines interfere with in any order."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from local.replaying.event import captured
from proofs.matrix import deployment, story
from proofs.matrix.cells import record_of
from proofs.matrix.faults import Fault
from proofs.matrix.interleavings import go
from proofs.matrix.invariants import INVARIANTS, violations
from proofs.matrix.line import Outage, Plan
from proofs.matrix.pairs import POSSIBLE, Wrong, all_pairs, report, run
from proofs.matrix.queue import VISIBILITY, Message
from proofs.matrix.run import Run, come_to_rest, rest_of
from proofs.matrix.stage import Connections, Stage
from proofs.matrix.steps import OF_THE_BREAKER, OF_THE_SWEEP, Step
from proofs.matrix.story import Story, process_of
from proofs.matrix.trace import trace
from proofs.matrix.turns import Worker, taking_turns
from tests.matrix import elements

# What may not even be so for a moment; the others are judged when all has come to rest.
AT_ALL_TIMES = ("I1", "I2", "I3", "I4", "I5", "I6", "I8", "I13")
# A create that nobody waits for any more may arrive after another worker held the job back (A3 of
# the model): the matrix has none of it, as it takes two faults.
ASSUMED = frozenset({"I12"})
# Once a successor is deleted, the verdict that bars another must be seen; and what a person set.
STALE_TAGS = frozenset({Step.LIST_TAGS, Step.LIST_MORE_TAGS})
# The breaker needs a fleet; its own cells are in the matrix.
OF_A_SWEEP = [one for one in POSSIBLE if one[0] in OF_THE_SWEEP - OF_THE_BREAKER]
OF_A_MESSAGE = [one for one in POSSIBLE if one[0] not in OF_THE_SWEEP]
# Half of the faults hit the calls that have an effect on SageMaker: they are few, and matter most.
OF_EFFECTS = [one for one in OF_A_MESSAGE if one[0] in {Step.CREATE, Step.ADD_TAGS}]
MOST_FAULTS = 2
FAULTS = st.lists(
    st.sampled_from(OF_EFFECTS) | st.sampled_from(OF_A_MESSAGE), min_size=1, max_size=MOST_FAULTS
)
FAULTS_OF_A_SWEEP: st.SearchStrategy[list[Wrong]] = st.just([]) | st.lists(
    st.sampled_from(OF_A_SWEEP), min_size=1, max_size=MOST_FAULTS
)
ENDS = st.sampled_from((Story.RELAUNCH, Story.RELAUNCH, Story.WAIT))
NOW_AND_THEN = st.sampled_from((False, False, True))


class Lineage(RuleBasedStateMachine):
    """One training, its successors, and all that happens to them and to the controller."""

    connections: Connections

    def __init__(self) -> None:
        super().__init__()
        self._held = ExitStack()
        self._printed = self._held.enter_context(captured())
        self._held.enter_context(deployment.entry_wired_here())
        self.stage = Stage(self.connections)
        self.armed: list[Plan] = []
        self.events = 0
        self.tags_must_show = False
        story.train(self.stage)

    # The controller

    def _a_message_waits(self) -> bool:
        visible_at = self.stage.queue.next_visible()
        return visible_at is not None and visible_at <= self.stage.clock()

    @precondition(lambda self: self._a_message_waits())
    @rule(faults=FAULTS)
    def a_message_is_taken(self, faults: list[Wrong]) -> None:
        self._arm(faults)
        self.stage.receive()

    @precondition(lambda self: self._a_message_waits())
    @rule(faults=FAULTS, first=st.integers(0, 6), second=st.integers(0, 6))
    def a_message_is_taken_twice_at_once(
        self, faults: list[Wrong], first: int, second: int
    ) -> None:
        self._arm(faults)
        message = self.stage.queue.receive(self.stage.clock())
        if message is None:
            return
        one, other = (self._worker(message, name) for name in "AB")
        with taking_turns(self.stage.line.on_request, one, other):
            go(one, first)
            go(other, second)
            one.to_the_end()
            other.to_the_end()

    def _worker(self, message: Message, process: str) -> Worker:
        def take() -> None:
            self.stage.take(message, process)

        return Worker(take)

    @rule(faults=FAULTS_OF_A_SWEEP)
    def the_sweep_runs(self, faults: list[Wrong]) -> None:
        self._arm(faults)
        self.stage.sweep()

    @rule(seconds=st.sampled_from((1, 60, VISIBILITY, VISIBILITY, 3600)))
    def time_passes(self, seconds: int) -> None:
        self.stage.pass_by(seconds)

    # What goes wrong

    def _arm(self, faults: list[Wrong]) -> None:
        """Have calls fail when they are next made; one that was not made is forgotten."""
        plans = self.stage.line.plans
        plans[:] = [one for one in plans if one.attempts]
        fired = sum(one.attempts > 0 for one in self.armed)
        for step, fault in faults[: MOST_FAULTS - fired]:
            plan = Plan(step, fault, process_of(step))
            if not (self.tags_must_show and _hides_tags(plan)):
                plans.append(plan)
                self.armed.append(plan)

    @rule()
    def nonsense_arrives(self) -> None:
        self.stage.queue.send(story.message(self.stage, Story.MALFORMED))

    @precondition(lambda self: self.stage.line.late)
    @rule()
    def what_was_late_arrives(self) -> None:
        self.stage.line.land_late()

    # The training, SageMaker and people

    def _newest(self) -> str:
        return list(self.stage.account.jobs)[-1]

    def _status(self, job: str) -> str:
        return str((self.stage.account.jobs[job].described.now or {})["TrainingJobStatus"])

    def _runs(self) -> bool:
        return self._status(self._newest()) == "InProgress"

    def _ended(self) -> None:
        self.stage.queue.send(story.event(self.stage, self._newest()))

    @initialize(how=ENDS, told=st.booleans())
    def the_first_training_fails(self, how: Story, *, told: bool) -> None:
        self.the_training_fails(how, told=told, saved=False)

    @precondition(lambda self: self._runs())
    @rule(how=ENDS, told=st.booleans(), saved=st.booleans())
    def the_training_fails(self, how: Story, *, told: bool, saved: bool) -> None:
        story.fail(self.stage, how, self._newest(), saved=saved)
        if told:
            self._ended()

    @precondition(lambda self: not self._runs())
    @rule(early=st.booleans())
    def sagemaker_says_so_again(self, *, early: bool) -> None:
        self.events += 1
        status = "InProgress" if early else None
        body = story.event(self.stage, self._newest(), number=self.events, status=status)
        self.stage.queue.send(body)

    @precondition(lambda self: self._runs())
    @rule(really=NOW_AND_THEN)
    def a_person_stops_it(self, *, really: bool) -> None:
        if not really:
            return
        story.stop(self.stage, self._newest())
        self._ended()

    @rule(really=NOW_AND_THEN)
    def a_person_switches_it_off(self, *, really: bool) -> None:
        if not really:
            return
        job = self._newest()
        self._have_tags_show()
        self.stage.switch_off(job)

    def _deletable(self) -> bool:
        """What has ended, and whose parent says that it was relaunched (ADR 1)."""
        jobs = list(self.stage.account.jobs)
        parent = self.stage.account.standing(jobs[-2]) if len(jobs) > 1 else {}
        return parent.get("resilience:verdict") == "RELAUNCH"

    @precondition(lambda self: not self._runs() and self._deletable())
    @rule()
    def a_person_deletes_it(self) -> None:
        job = self._newest()
        self._have_tags_show()
        self.stage.account.delete(job)
        self.stage.act("deleted", job)

    def _have_tags_show(self) -> None:
        self.tags_must_show = True
        self.stage.line.plans = [one for one in self.stage.line.plans if not _hides_tags(one)]

    # What may never happen

    @invariant()
    def nothing_happens_that_never_may(self) -> None:
        rest = rest_of(self.stage)
        so_far = Run(self.stage, (), len(self.stage.line.history), rest)
        record = record_of(so_far)
        found = [f"{name}: {text}" for name in AT_ALL_TIMES for text in INVARIANTS[name](record)]
        assert not found, "\n".join([*found, *trace(so_far)])

    def teardown(self) -> None:
        try:
            run = come_to_rest(self.stage, self._printed)
            found = violations(record_of(run, ASSUMED))
            assert not found, "\n".join([*found, *trace(run)])
        finally:
            self._held.close()


def _hides_tags(plan: Plan | Outage) -> bool:
    return isinstance(plan, Plan) and plan.step in STALE_TAGS and plan.fault is Fault.STALE


@pytest.mark.long
def test_no_pair_of_faults_in_any_lineage_violates_anything(connections: Connections) -> None:
    machine = type("Lineage", (Lineage,), {"connections": connections})
    run_state_machine_as_test(machine, settings=settings(max_examples=400, stateful_step_count=14))


def test_any_two_faults_on_the_calls_that_have_an_effect_hold(connections: Connections) -> None:
    """`make matrix ARGS=--pairs` takes them on all calls, in some minutes."""
    tally = run(all_pairs(OF_EFFECTS), connections)
    assert not tally.bad, "\n".join(report(tally, 0))
    assert tally.hit > tally.ran / 4


@pytest.mark.parametrize(
    "break_it",
    [
        elements.names_that_count,
        elements.no_adjudication,
        elements.no_sweep,
        elements.no_reading_of_verdicts,
        elements.no_reading_of_modes,
    ],
)
def test_an_element_that_is_taken_out_does_not_pass(
    break_it: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    connections: Connections,
) -> None:
    break_it(monkeypatch)
    machine = type("Broken", (Lineage,), {"connections": connections})
    searching = settings(
        max_examples=400, stateful_step_count=14, phases=(Phase.generate,), derandomize=True
    )
    with pytest.raises(AssertionError, match=r"I\d+:"):
        run_state_machine_as_test(machine, settings=searching)
