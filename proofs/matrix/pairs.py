"""Two faults on the way of one message, every two of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from proofs.matrix import story
from proofs.matrix.cells import all_cells, impossible, record_of
from proofs.matrix.faults import Fault
from proofs.matrix.invariants import violations
from proofs.matrix.line import Plan
from proofs.matrix.run import Run, until_quiet, work_off
from proofs.matrix.stage import Connections, Stage
from proofs.matrix.steps import OF_THE_SWEEP, Step
from proofs.matrix.story import Story
from proofs.matrix.trace import trace

Wrong = tuple[Step, Fault]
# AddTags that answers has had its effect (I7).
ASSUMED = frozenset({(Step.ADD_TAGS, Fault.GARBLED)})
POSSIBLE: tuple[Wrong, ...] = tuple(
    sorted({(one.step, one.fault) for one in all_cells() if impossible(one) is None} - ASSUMED)
)
# An unreadable message makes one call, so it can meet one fault.
OF_A_MESSAGE = tuple(
    one for one in POSSIBLE if one[0] not in OF_THE_SWEEP and one[0] is not Step.QUARANTINE
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two faults, both armed when the message comes; of two at one call the first hits first."""

    story: Story
    first: Wrong
    second: Wrong

    def __str__(self) -> str:
        first, second = (f"{step} / {fault}" for step, fault in (self.first, self.second))
        return f"{self.story}: {first}, then {second}"


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """What became of a pair; `run.hit` says whether both of the two calls were made."""

    pair: Pair
    violated: tuple[str, ...]
    run: Run


def all_pairs(faults: Iterable[Wrong] = OF_A_MESSAGE) -> Iterator[Pair]:
    """Every two faults, in both orders where they hit the same call."""
    for how, (first, second) in product((Story.RELAUNCH, Story.WAIT), product(faults, repeat=2)):
        if first[0] is second[0] or first < second:
            yield Pair(how, first, second)


def judge(pair: Pair, connections: Connections) -> PairOutcome:
    plans = [Plan(*pair.first), Plan(*pair.second)]

    def script(stage: Stage) -> None:
        story.train(stage)
        story.fail(stage, pair.story)
        stage.queue.send(story.event(stage))
        stage.line.plans.extend(plans)
        work_off(stage)

    run = until_quiet(connections, script)
    run = replace(run, hit=all(plan.attempts for plan in plans))
    return PairOutcome(pair, violations(record_of(run)), run)


@dataclass(slots=True)
class Tally:
    ran: int = 0
    hit: int = 0
    bad: list[PairOutcome] = field(default_factory=list)


def run(
    pairs: Iterable[Pair],
    connections: Connections,
    progress: Callable[[int], None] = lambda _: None,
) -> Tally:
    tally = Tally()
    for pair in pairs:
        outcome = judge(pair, connections)
        tally.ran += 1
        tally.hit += outcome.run.hit
        if outcome.violated:
            tally.bad.append(outcome)
        progress(tally.ran)
    return tally


def report(tally: Tally, seconds: float) -> Iterator[str]:
    yield (
        f"{tally.ran} pairs of faults ran, in {tally.hit} both hit a call; "
        f"{tally.ran - len(tally.bad)} held, in {seconds:.0f} s"
    )
    for outcome in tally.bad[:1]:
        yield f"the first that did not: {outcome.pair}"
        yield from (f"  violates {text}" for text in outcome.violated)
        yield from trace(outcome.run)
