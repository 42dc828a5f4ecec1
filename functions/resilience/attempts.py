"""One ended attempt, measured: how far it came, what it spent, what it taught. Pure."""

from dataclasses import dataclass, replace

from resilience import checkpoints
from resilience.decisions import (
    Decision,
    Facts,
    Ledger,
    Lineage,
    Lookup,
    Progress,
    Reason,
    Verdict,
)
from resilience.failures import FailureClass

# An attempt that never trained says nothing about progress, nor about the checkpoint it was given.
NEVER_TRAINED = frozenset({FailureClass.CAPACITY, FailureClass.QUOTA})
# Ends that came from outside: they are no evidence against the checkpoint resumed from.
_NOT_THE_CHECKPOINT = NEVER_TRAINED | {FailureClass.INTERRUPTED}
_DEATHS_THAT_REJECT = 2


@dataclass(frozen=True, slots=True)
class Case:
    """A failed attempt of an opted-in lineage, measured."""

    facts: Facts
    lineage: Lineage
    failure_class: FailureClass
    progress: Progress
    ledger: Ledger  # with this end counted
    rejected: tuple[str, ...]

    def verdict(self, verdict: Verdict, reason: Reason, rule: str, detail: str = "") -> Decision:
        return Decision(
            verdict=verdict,
            reason=reason,
            rule=rule,
            detail=detail,
            facts=self.facts,
            progress=self.progress,
        )


def measure(facts: Facts, lineage: Lineage, failure_class: FailureClass) -> Case:
    """Count this end, and reject the checkpoint that the attempt could not get past."""
    progress = checkpoints.progress(facts)
    ledger = _counted(lineage.ledger, failure_class, progress)
    at, rejected = lineage.started_from, lineage.rejected
    if at is None or progress is Progress.ADVANCED:
        return Case(facts, lineage, failure_class, progress, ledger, rejected)
    if _died_there(facts, failure_class):
        ledger = replace(ledger, at_checkpoint=ledger.at_checkpoint + 1)
    if _to_blame(at, facts, ledger):
        rejected = (*(one for one in rejected if one != at), at)
    return Case(facts, lineage, failure_class, progress, ledger, rejected)


def _to_blame(version: str, facts: Facts, ledger: Ledger) -> bool:
    """Whether it cannot be loaded, is marked as suspect, or cannot be got past."""
    return (
        facts.checkpoint_load_error
        or checkpoints.is_suspect(version, facts)
        or ledger.at_checkpoint >= _DEATHS_THAT_REJECT
    )


def _died_there(facts: Facts, failure_class: FailureClass) -> bool:
    """Whether the attempt is known to have died without committing anything of its own."""
    return (
        failure_class not in _NOT_THE_CHECKPOINT
        and facts.lookup is Lookup.FOUND
        and not checkpoints.committed_any(facts)
    )


def _counted(ledger: Ledger, failure_class: FailureClass, progress: Progress) -> Ledger:
    """Count this end. Class counts only grow; only an advance clears what counts in a row."""
    ends = dict(ledger.ends)
    ends[str(failure_class)] = ends.get(str(failure_class), 0) + 1
    ledger = replace(ledger, ends=tuple(sorted(ends.items())))
    if progress is Progress.ADVANCED:
        return replace(ledger, without_progress=0, at_checkpoint=0)
    if progress is Progress.UNKNOWN or failure_class in NEVER_TRAINED:
        return ledger
    return replace(ledger, without_progress=ledger.without_progress + 1)
