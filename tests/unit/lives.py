"""Whole lineages as SageMaker and W&B would show them, driven by the decisions alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from hypothesis import strategies as st

from resilience.decide import policy
from resilience.decide.decisions import Checkpoint, Decision, Facts, Lookup, Policy, Verdict
from resilience.failures import FailureClass
from resilience.wire import lineage_tags, tags, verdict_tags
from tests.unit.lineages import NOW, TRAINED, checkpoint, ended

OWN_TAGS = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", "WANDB_CHECKPOINT_NAME": "model-r1"}


@dataclass(frozen=True)
class End:
    """How one attempt goes: whether it trains, what it commits, how it dies, who answers."""

    failure_class: FailureClass = FailureClass.INFRASTRUCTURE
    started: bool = True
    commits: tuple[tuple[int | None, str], ...] = ()  # (steps above its start, or unknown; the run)
    lives: int = 600
    signature: str = "5191a7e0"
    load_error: bool = False
    loses: bool = False  # the oldest version expires meanwhile
    lookup: Lookup = Lookup.FOUND
    refusal: FailureClass | None = None


ENDS = st.builds(
    End,
    failure_class=st.sampled_from(TRAINED),
    started=st.sampled_from([True, True, True, False]),
    commits=st.lists(
        st.tuples(
            st.none() | st.integers(1, 30) | st.integers(1, 30),
            st.sampled_from(["r1", "r1", "r2"]),
        ),
        max_size=3,
    ).map(tuple),
    lives=st.integers(0, 8000),
    signature=st.sampled_from(["5191a7e0", "5191a7e0", "0ddba115"]),
    load_error=st.booleans(),
    loses=st.booleans(),
    lookup=st.sampled_from([Lookup.FOUND] * 6 + [Lookup.UNAVAILABLE, Lookup.REFUSED]),
    refusal=st.sampled_from([None] * 6 + [FailureClass.QUOTA, FailureClass.INFRASTRUCTURE]),
)
POLICIES = st.builds(
    Policy,
    max_without_work=st.integers(1, 5),
    max_lost_seconds=st.integers(0, 20_000),
    max_jobs=st.integers(1, 20),
    backoff_base_seconds=st.integers(30, 120),
    backoff_max_seconds=st.integers(100, 600),
)
OVERRIDES = st.dictionaries(
    st.sampled_from(["resilience:max-without-work", "resilience:max-jobs"]),
    st.integers(0, 6).map(str),
)


@dataclass
class Life:
    """A lineage as SageMaker and W&B would show it, driven by the decisions alone."""

    ends: Iterator[End]
    stack: Policy = field(default_factory=Policy)
    job: str = "root"
    own: dict[str, str] = field(default_factory=lambda: dict(OWN_TAGS))
    collection: tuple[Checkpoint, ...] = ()
    committed: int = 0
    now: int = NOW

    def run(self, most: int = 3000) -> list[Decision]:
        """Take so many decisions at the most; what waits is looked at again when it is due."""
        return list(islice(self._decisions(), most))

    def _decisions(self) -> Iterator[Decision]:
        while True:
            end = next(self.ends)
            self._attempt(end)
            ended_at = self.now
            decision = policy.decide(self._facts(end, ended_at))
            yield decision
            while decision.verdict is Verdict.WAIT:
                assert decision.due is not None
                self.now = decision.due
                self.own |= verdict_tags.of_verdict(decision)
                end = _looked_at_again(end, next(self.ends))
                decision = policy.decide(self._facts(end, ended_at))
                yield decision
            if decision.successor is None:
                return
            self.job = decision.successor.name
            self.own = lineage_tags.of_successor(self.own, decision.successor)

    def _attempt(self, end: End) -> None:
        if not end.started:
            return
        self.now += end.lives
        if end.loses:
            self.collection = self.collection[1:]
        started = lineage_tags.read(self.job, self.own).started_step
        for above, run in end.commits:
            step = None if above is None or started is None else started + above
            new = checkpoint(f"v{self.committed}", step, run=run, job=self.job)
            self.collection = (*self.collection, new)
            self.committed += 1

    def _facts(self, end: End, ended_at: int) -> Facts:
        return ended(
            end.failure_class,
            *(self.collection if end.lookup is Lookup.FOUND else ()),
            lineage=lineage_tags.read(self.job, self.own),
            started=end.started,
            seconds=end.lives if end.started else 0,
            signature=end.signature,
            lookup=end.lookup,
            recorded=verdict_tags.recorded(self.own),
            observed_at=self.now,
            ended_at=ended_at,
            checkpoint_load_error=end.load_error,
            policy=tags.policy(self.own, self.stack),
            job=self.job,
            refusal=(end.refusal, "rule") if end.refusal else None,
        )


def _looked_at_again(end: End, world: End) -> End:
    """How a job ended cannot change while it waits; what the world answers can."""
    return replace(end, lookup=world.lookup, refusal=world.refusal)


def launches(decisions: list[Decision]) -> list[Decision]:
    return [one for one in decisions if one.verdict is Verdict.RELAUNCH]


def trained(decisions: list[Decision]) -> int:
    """How many attempts of a lineage that has ended had trained."""
    return len({one.facts.job for one in decisions if one.facts.started})
