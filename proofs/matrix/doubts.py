"""The cells under each open belief about AWS: every cell with all flipped, some with each alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from local.doubts import KNOWN, NAMES, Doubts, every_one, flipped
from proofs.matrix.cells import all_cells, impossible
from proofs.matrix.run import Cell
from proofs.matrix.steps import SEARCHES, Step

# Metrics that Create refuses to be given back make each launch two creates, and a fault hits one of
# them. So they are flipped in a world of their own, whose faults hit the create that counts.
EVERY_ONE = replace(every_one(), metrics_injected=KNOWN.metrics_injected)
_SUCCESSION = frozenset(
    {Step.CREATE, Step.ADJUDICATE, Step.LOOK_AGAIN, Step.PUBLISH, Step.LOOK_TWICE}
)
_CREATE = frozenset({Step.CREATE})
# The calls whose outcome a belief can change.
_STEPS = {
    "list-tags-of-missing": frozenset({Step.ADJUDICATE, Step.LOOK_TWICE}),
    "list-tags-of-missing=denied": frozenset({Step.ADJUDICATE, Step.LOOK_TWICE}),
    "describe-of-missing": frozenset({Step.DESCRIBE, Step.ADJUDICATE, Step.LOOK_TWICE}),
    "tags-lag": _SUCCESSION,
    "search-refuses-not-exists": frozenset({Step.FIND_UNJUDGED}),
    "past-schedules-refused": frozenset({Step.CREATE_SCHEDULE, Step.REMIND}),
    "zero-counts-echoed": _CREATE,
    "sagemaker-tags-refused": _CREATE,
    "add-tags-modifies": SEARCHES,
    "metrics-injected": _CREATE,
}
# How a pending time-out reads, and which host's words a failure has, is a matter of the failure
# classes, and of no call: events/ has both of the first, the local SageMaker both of the others.
OF_NO_CALL = frozenset({"pending-time-out", "failure-of", "lost-host-noticed"})


@dataclass(frozen=True, slots=True)
class Setting:
    """Doubts under which some cells run."""

    name: str
    doubts: Doubts
    steps: frozenset[Step]

    def cells(self) -> Iterator[Cell]:
        """Give those of its cells that can be."""
        return (one for one in all_cells() if one.step in self.steps and impossible(one) is None)


def settings() -> Iterator[Setting]:
    """Every setting beside the known one."""
    yield Setting("every doubt flipped", EVERY_ONE, frozenset(Step))
    for name, steps in _STEPS.items():
        yield Setting(name, flipped([name]), steps)


def without_a_setting() -> set[str]:
    """The doubts under which no cell runs alone."""
    return set(NAMES) - {name.partition("=")[0] for name in _STEPS} - OF_NO_CALL
