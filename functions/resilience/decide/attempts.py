"""One ended attempt, measured: what it worked, what it cost, what it is evidence of. Pure."""

import hashlib
from dataclasses import dataclass, replace

from resilience.decide import checkpoints
from resilience.decide.decisions import (
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
CONFIRMED = 2  # deaths in a row at one place: no accident
NO_EVIDENCE = frozenset({Blame.OUTSIDE, Blame.PERSON})  # against program or checkpoint
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
        return _blame(self.lineage, self.failure_class)

    @property
    def advanced(self) -> bool:
        return self.progress is Progress.ADVANCED

    @property
    def confirmed(self) -> bool:
        """Whether this very death, of the program's, came at this place before.

        A machine that dies where a program has died twice is no third death of the program's.
        """
        died = self.facts.started and self.progress is Progress.SAME
        return died and self.blame is Blame.PROGRAM and self.ledger.same >= CONFIRMED

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
    """Count an attempt that trained, and reject the checkpoint that it could not get past."""
    progress = checkpoints.progress(facts)
    if not facts.started:  # no container has run: neither count nor checkpoint is its matter
        return Case(facts, lineage, failure_class, progress, lineage.ledger, lineage.rejected)
    ledger = _counted(facts, lineage, failure_class, progress)
    case = Case(facts, lineage, failure_class, progress, ledger, lineage.rejected)
    at = lineage.started_from
    if at is None or case.advanced or not _is_to_blame(at, case):
        return case
    return replace(case, rejected=(*(one for one in case.rejected if one != at), at))


def _is_to_blame(version: str, case: Case) -> bool:
    """Whether it cannot be loaded, is marked as suspect, or the same end came at it twice."""
    return (
        case.facts.checkpoint_load_error
        or checkpoints.is_suspect(version, case.facts)
        or case.confirmed
    )


def _blame(lineage: Lineage, failure_class: FailureClass) -> Blame:
    """Whom this end is evidence against; a right that it never had, the program never had."""
    by_class = row(failure_class).blame
    has_worked = lineage.started_from is not None or lineage.ledger.best >= 0
    return Blame.PROGRAM if by_class is Blame.PERSON and not has_worked else by_class


def _counted(
    facts: Facts, lineage: Lineage, failure_class: FailureClass, progress: Progress
) -> Ledger:
    """Count an attempt that trained. Class counts only grow; work clears what counts in a row."""
    ledger, ends = lineage.ledger, dict(lineage.ledger.ends)
    ends[str(failure_class)] = ends.get(str(failure_class), 0) + 1
    ledger = replace(ledger, ends=tuple(sorted(ends.items())))
    if progress is Progress.UNKNOWN:
        return ledger
    # Also of one without work: it may have begun with a late upload of its parent's.
    ledger = replace(ledger, best=checkpoints.best_step(facts))
    blame = _blame(lineage, failure_class)
    return (_worked if progress is Progress.ADVANCED else _lost)(facts, ledger, blame)


def _worked(facts: Facts, ledger: Ledger, blame: Blame) -> Ledger:
    """Count an attempt that committed work of its own.

    Where steps are unknown, an attempt that was walked back commits again what was there before;
    and a loss that diverges may be healthy for a while. The same reason is then the same place.
    """
    paid = facts.seconds >= _PAYS_SECONDS
    again = ledger.same >= CONFIRMED or (_diverged(facts) and not paid)
    place = _place(facts, ledger.best)
    died = int(blame is Blame.PROGRAM)
    return replace(
        ledger,
        unpaid=ledger.unpaid + (not paid),
        without_work=0,
        by_program=0,
        lost_seconds=0,
        same=ledger.same + 1 if died and again and ledger.place == place else died,
        place=place,
    )


def _lost(facts: Facts, ledger: Ledger, blame: Blame) -> Ledger:
    """Count an attempt that committed nothing that was not there before."""
    place, counts = _place(facts, ledger.best), blame not in NO_EVIDENCE
    ledger = replace(
        ledger,
        unpaid=ledger.unpaid + 1,
        lost_seconds=ledger.lost_seconds + facts.seconds,
        without_work=ledger.without_work + (blame is not Blame.PERSON),
        by_program=ledger.by_program + 1 if counts else 0,
    )
    if not counts:
        return ledger
    return replace(ledger, same=ledger.same + 1 if ledger.place == place else 1, place=place)


def _diverged(facts: Facts) -> bool:
    return facts.failure_rule == LOSS_DIVERGED


def _place(facts: Facts, best: int) -> str:
    """Where and how an attempt died: the step that it could not get past, and its reason.

    A loss that diverges has no step of its own: what was healthy before it is found out anew.
    """
    text = f"{'' if _diverged(facts) else best}/{facts.signature}"
    return hashlib.sha256(text.encode()).hexdigest()[:_PLACE_LENGTH]
