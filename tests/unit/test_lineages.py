"""Whole lineages of random ends: the budget only ever grows, and every lineage comes to an end."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle

from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import policy, tags
from resilience.attempts import NEVER_TRAINED
from resilience.decisions import (
    Checkpoint,
    Decision,
    Facts,
    Ledger,
    Lookup,
    Policy,
    Reason,
    Verdict,
)
from resilience.failures import FailureClass
from tests.unit.lineages import NOW, checkpoint, ended

OWN_TAGS = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", "WANDB_CHECKPOINT_NAME": "model-r1"}


@dataclass(frozen=True)
class End:
    """How one attempt goes: what it commits, how long it lives, how it dies, who answers."""

    failure_class: FailureClass
    commits: tuple[tuple[int | None, str], ...]  # (steps above its start, or unknown; the run)
    lives: int
    load_error: bool
    loses: bool  # the oldest version expires meanwhile
    lookup: Lookup
    refusal: FailureClass | None


RELAUNCHABLE = [
    one
    for one in FailureClass
    if one
    not in {
        FailureClass.OUT_OF_MEMORY,
        FailureClass.PERMISSION,
        FailureClass.CONFIGURATION,
        FailureClass.STOPPED_BY_USER,
    }
]
ENDS = st.builds(
    End,
    failure_class=st.sampled_from(RELAUNCHABLE),
    commits=st.lists(
        st.tuples(
            st.none() | st.integers(1, 30) | st.integers(1, 30),
            st.sampled_from(["r1", "r1", "r2"]),
        ),
        max_size=3,
    ).map(tuple),
    lives=st.integers(0, 2000),
    load_error=st.booleans(),
    loses=st.booleans(),
    lookup=st.sampled_from([Lookup.FOUND] * 6 + [Lookup.UNAVAILABLE, Lookup.REFUSED]),
    refusal=st.sampled_from([None] * 6 + [FailureClass.QUOTA, FailureClass.INFRASTRUCTURE]),
)
POLICIES = st.builds(
    Policy,
    max_attempts=st.integers(1, 8),
    max_without_progress=st.integers(1, 4),
    max_jobs=st.integers(1, 20),
    max_user_code=st.integers(0, 4),
    backoff_base_seconds=st.integers(30, 120),
    backoff_max_seconds=st.integers(100, 600),
    wait_total_seconds=st.integers(0, 2000),
)
OVERRIDES = st.dictionaries(
    st.sampled_from(["resilience:max-attempts", "resilience:max-jobs"]),
    st.integers(0, 6).map(str),
)


@dataclass
class Life:
    """A lineage as SageMaker and W&B would show it, driven by the decisions alone."""

    ends: Iterator[End]
    stack: Policy
    job: str = "root"
    own: dict[str, str] = field(default_factory=lambda: dict(OWN_TAGS))
    collection: tuple[Checkpoint, ...] = ()
    committed: int = 0
    now: int = NOW
    waited: int = 0

    def run(self) -> Iterator[Decision]:
        """Yield every decision; attempts that wait are looked at again when they are due."""
        while True:
            end = next(self.ends)
            self._attempt(end)
            decision = policy.decide(self._facts(end))
            yield decision
            while decision.verdict is Verdict.WAIT:
                assert decision.due is not None
                self.waited += decision.due - self.now
                self.now = decision.due
                self.own |= tags.of_verdict(decision)
                decision = policy.decide(self._facts(_looked_at_again(end, next(self.ends))))
                yield decision
            if decision.successor is None:
                return
            self.job = decision.successor.name
            self.own = tags.of_successor(self.own, decision.successor)

    def _attempt(self, end: End) -> None:
        self.now += end.lives
        if end.failure_class in NEVER_TRAINED:
            return
        if end.loses:
            self.collection = self.collection[1:]
        started = tags.lineage(self.job, self.own).started_step
        for above, run in end.commits:
            step = None if above is None or started is None else started + above
            new = checkpoint(f"v{self.committed}", step, run=run)
            self.collection = (*self.collection, new)
            self.committed += 1

    def _facts(self, end: End) -> Facts:
        found = end.lookup is Lookup.FOUND
        return ended(
            end.failure_class,
            *(self.collection if found else ()),
            lineage=tags.lineage(self.job, self.own),
            lookup=end.lookup,
            judged=tags.judged(self.own),
            observed_at=self.now,
            checkpoint_load_error=end.load_error,
            policy=tags.policy(self.own, self.stack),
            job=self.job,
            refusal=(end.refusal, "rule") if end.refusal else None,
        )


def _looked_at_again(end: End, world: End) -> End:
    """How a job ended cannot change while it waits; what the world answers can."""
    return replace(end, lookup=world.lookup, refusal=world.refusal)


def spent(ledger: Ledger) -> int:
    return sum(count for _, count in ledger.ends)


@settings(max_examples=300)
@given(st.lists(ENDS, min_size=1, max_size=12), POLICIES, OVERRIDES)
def test_every_lineage_ends_within_its_bounds_and_its_budget_never_goes_down(
    ends: list[End], stack: Policy, overrides: dict[str, str]
) -> None:
    life = Life(cycle(ends), stack)
    life.own |= overrides
    numbers = tags.policy(life.own, stack)
    jobs, before = 1, Ledger()
    for decision in life.run():
        assert decision.facts.policy == numbers, "an override holds for the whole lineage"
        if decision.successor is None:
            continue
        jobs += 1
        after = decision.successor.ledger
        assert decision.successor.attempt == jobs
        assert spent(after) == jobs - 1, "each attempt that ended is counted, once"
        assert all(after.count(name) >= count for name, count in before.ends)
        assert after.seen >= before.seen
        before = after
        never_trained = sum(after.count(str(one)) for one in NEVER_TRAINED)
        assert jobs <= max(1, numbers.max_jobs)
        assert jobs - never_trained <= max(1, numbers.max_attempts)
    assert decision.verdict is Verdict.STOP
    assert life.waited <= jobs * numbers.wait_total_seconds


@settings(max_examples=150)
@given(st.lists(ENDS, min_size=1, max_size=8), POLICIES)
def test_no_lineage_launches_twice_from_one_place_without_progress_beyond_its_limit(
    ends: list[End], stack: Policy
) -> None:
    idle = [replace(end, commits=(), loses=False) for end in ends]
    trained = [
        decision
        for decision in Life(cycle(idle), stack).run()
        if decision.verdict is Verdict.RELAUNCH
        and decision.facts.failure_class not in NEVER_TRAINED
    ]
    assert len(trained) < max(1, stack.max_without_progress)


def test_no_alternation_of_classes_resets_the_ceiling() -> None:
    turns = [
        End(one, ((5, "r1"),), 10, load_error=False, loses=False, lookup=Lookup.FOUND, refusal=None)
        for one in (FailureClass.INFRASTRUCTURE, FailureClass.CAPACITY, FailureClass.INTERRUPTED)
    ]
    decisions = list(Life(cycle(turns), Policy()).run())
    launched = [one for one in decisions if one.verdict is Verdict.RELAUNCH]
    trained = [one for one in launched if one.facts.failure_class not in NEVER_TRAINED]
    assert len(trained) == 9
    assert decisions[-1].reason is Reason.ATTEMPTS_EXHAUSTED


def test_a_market_without_machines_is_waited_for_by_time_and_then_given_up() -> None:
    nothing = End(
        FailureClass.CAPACITY,
        (),
        60,
        load_error=False,
        loses=False,
        lookup=Lookup.FOUND,
        refusal=None,
    )
    life = Life(cycle([nothing]), Policy())
    decisions = list(life.run())
    assert decisions[-1].reason is Reason.WAIT_TIME_EXHAUSTED
    assert len([one for one in decisions if one.verdict is Verdict.RELAUNCH]) > 10
    total, longest = Policy().wait_total_seconds, Policy().backoff_max_seconds
    assert total <= life.now - (NOW + 60) <= total + longest
