"""One ended attempt, measured: what it worked, what it cost, what it is evidence of. Pure."""

import hashlib
from dataclasses import dataclass, replace

from resilience import checkpoints
from resilience.decisions import (
    Decision,
    Facts,
    Ledger,
    Lineage,
    Progress,
    Reason,
    Verdict,
)
from resilience.failures import LOSS_DIVERGED, Blame, FailureClass, row

# An attempt that worked so long pays for its successor: no count ends a training that goes on.
_PAYS_SECONDS = 3600
_DEATHS_THAT_REJECT = 2
_PLACE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A failed attempt of an opted-in lineage, measured."""

    facts: Facts
    lineage: Lineage
    failure_class: FailureClass
    progress: Progress
    ledger: Ledger  # with this end counted
    rejected: tuple[str, ...]

    @property
    def blame(self) -> Blame:
        return _blame(self.facts, self.lineage.ledger, self.failure_class)

    @property
    def advanced(self) -> bool:
        return self.progress is Progress.ADVANCED

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
    ledger = lineage.ledger
    if facts.started:
        ledger = _counted(facts, ledger, failure_class, progress)
    rejected = lineage.rejected
    at = lineage.started_from
    if at is not None and progress is not Progress.ADVANCED and _to_blame(at, facts, ledger):
        rejected = (*(one for one in rejected if one != at), at)
    return Case(facts, lineage, failure_class, progress, ledger, rejected)


def _blame(facts: Facts, ledger: Ledger, failure_class: FailureClass) -> Blame:
    """Whom this end is evidence against; a right that it never had, the program never had."""
    by_class = row(failure_class).blame
    resumed = facts.lineage is not None and facts.lineage.started_from is not None
    has_worked = resumed or ledger.best >= 0
    return Blame.PROGRAM if by_class is Blame.PERSON and not has_worked else by_class


def _to_blame(version: str, facts: Facts, ledger: Ledger) -> bool:
    """Whether it cannot be loaded, is marked as suspect, or the same end came at it twice."""
    return (
        facts.checkpoint_load_error
        or checkpoints.is_suspect(version, facts)
        or ledger.same >= _DEATHS_THAT_REJECT
    )


def _counted(
    facts: Facts, ledger: Ledger, failure_class: FailureClass, progress: Progress
) -> Ledger:
    """Count an attempt that trained. Class counts only grow; work clears what counts in a row."""
    ends = dict(ledger.ends)
    ends[str(failure_class)] = ends.get(str(failure_class), 0) + 1
    ledger = replace(ledger, ends=tuple(sorted(ends.items())))
    if progress is Progress.UNKNOWN:
        return ledger
    counts = _blame(facts, ledger, failure_class) not in {Blame.OUTSIDE, Blame.PERSON}
    best = checkpoints.best_step(facts)
    place = _place(facts, best)
    same = ledger.same + 1 if counts and ledger.place == place else int(counts)
    if progress is not Progress.ADVANCED:
        lost = ledger.lost_seconds + facts.seconds
        ledger = replace(ledger, unpaid=ledger.unpaid + 1, lost_seconds=lost)
        row = ledger.without_work + 1
        return replace(ledger, without_work=row, same=same, place=place) if counts else ledger
    paid = facts.seconds >= _PAYS_SECONDS
    # Where steps are unknown, an attempt that was walked back commits again what was there before;
    # and a loss that diverges may be healthy for a while. The same reason is then the same place.
    again = ledger.same >= _DEATHS_THAT_REJECT or (_diverged(facts) and not paid)
    return replace(
        ledger,
        best=best,
        unpaid=ledger.unpaid + (not paid),
        without_work=0,
        lost_seconds=0,
        same=same if again else int(counts),
        place=place if counts else "",
    )


def _diverged(facts: Facts) -> bool:
    return facts.failure_rule == LOSS_DIVERGED


def _place(facts: Facts, best: int) -> str:
    """Where and how an attempt died: the step that it could not get past, and its reason.

    A loss that diverges has no step of its own: what was healthy before it is found out anew.
    """
    where = "" if _diverged(facts) else best
    return hashlib.sha256(f"{where}/{facts.signature}".encode()).hexdigest()[:_PLACE_LENGTH]
