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
from resilience.decide.starts import refusal_of_the_start
from resilience.failures import LOSS_DIVERGED, Blame, FailureClass, row

# An attempt that worked so long pays for its successor: no count ends a training that goes on.
_PAYS_SECONDS = 3600
CONFIRMED = 2  # deaths of the program in a row at one place: no accident
# Program deaths that a lineage has got over: it dies now and then, wherever it is.
_FLAKY = 2
NO_EVIDENCE = frozenset({Blame.OUTSIDE, Blame.PERSON})  # against program or checkpoint
_PLACE_LENGTH = 8
# How SageMaker itself says, by the status, that a spot job lost its instances or got none in time.
_TAKEN_BACK = frozenset({"Interrupted", "MaxWaitTimeExceeded"})
# Starts differ by what they load and from where; so two deaths came after the same time if they
# differ by less than this share of the longer one, or than this.
_TOLERATED_SHARE, _TOLERATED_SECONDS = 4, 60


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
        """Whether this very death, of the program's, came at this place before."""
        died = self.facts.started and self.progress is Progress.SAME
        return died and self.blame is Blame.PROGRAM and self.ledger.same >= CONFIRMED

    @property
    def in_doubt(self) -> bool:
        """Whether a text says that something outside is to blame, and nothing but the text does.

        That an instance was taken back, SageMaker says by the job's status.
        """
        return self.blame is Blame.OUTSIDE and _is_text_alone(self.facts)

    @property
    def flaky(self) -> bool:
        return _is_flaky(self.ledger)

    @property
    def went_back(self) -> bool:
        """Whether the attempt began at an older version than the newest one that was there."""
        at, newest = self.lineage.started_from, self.lineage.ledger.seen
        return at is not None and int(at.removeprefix("v")) < newest

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
        ledger = _refused(lineage.ledger, failure_class)
        return Case(facts, lineage, failure_class, progress, ledger, lineage.rejected)
    ledger = _counted(facts, lineage, failure_class, progress)
    case = Case(facts, lineage, failure_class, progress, ledger, lineage.rejected)
    at = lineage.started_from
    if at is None or case.advanced or not _is_to_blame(at, case):
        return case
    return replace(case, rejected=_and_this(at, case))


def _refused(ledger: Ledger, failure_class: FailureClass) -> Ledger:
    """Count AWS's refusals of a configuration that has never trained: how often is evidence."""
    is_refusal = refusal_of_the_start(failure_class) is not None
    return replace(ledger, refused=ledger.refused + (is_refusal and not ledger.ends))


def _is_to_blame(version: str, case: Case) -> bool:
    """Whether it cannot be loaded, is marked as suspect, or the same end came at it twice."""
    return (
        case.facts.checkpoint_load_error
        or checkpoints.is_suspect(version, case.facts)
        or (case.confirmed and not _is_the_only_one(version, case))
    )


def _is_the_only_one(version: str, case: Case) -> bool:
    """Whether nothing would be left: then it is tried once more, and later, instead."""
    return checkpoints.choose(case.facts, _and_this(version, case)).chosen is None


def _and_this(version: str, case: Case) -> tuple[str, ...]:
    return (*(one for one in case.rejected if one != version), version)


def _blame(lineage: Lineage, failure_class: FailureClass) -> Blame:
    """Whom this end is evidence against; a right that it never had, the program never had."""
    by_class = row(failure_class).blame
    has_worked = lineage.started_from is not None or lineage.ledger.best >= 0
    return Blame.PROGRAM if by_class is Blame.PERSON and not has_worked else by_class


def _is_flaky(ledger: Ledger) -> bool:
    """Whether the program has died elsewhere before, and its lineage went on.

    The deaths that have counted in a row since are not among those.
    """
    died = sum(
        count for name, count in ledger.ends if row(FailureClass(name)).blame is Blame.PROGRAM
    )
    return died - ledger.by_program >= _FLAKY


def _counted(
    facts: Facts, lineage: Lineage, failure_class: FailureClass, progress: Progress
) -> Ledger:
    """Count an attempt that trained. Class counts only grow; work clears what counts in a row."""
    ledger, ends = lineage.ledger, dict(lineage.ledger.ends)
    ends[str(failure_class)] = ends.get(str(failure_class), 0) + 1
    ledger = replace(ledger, ends=tuple(sorted(ends.items())), refused=0)
    if progress is Progress.UNKNOWN:
        return ledger
    # Also of one without work: it may have begun with a late upload of its parent's.
    ledger = replace(ledger, best=checkpoints.best_step(facts))
    blame = _blame(lineage, failure_class)
    if progress is Progress.ADVANCED:
        return _worked(facts, ledger, blame)
    return _lost(facts, ledger, blame, further_back=bool(lineage.rejected))


def _worked(facts: Facts, ledger: Ledger, blame: Blame) -> Ledger:
    """Count an attempt that committed work of its own.

    Where steps are unknown, an attempt that was walked back commits again what was there before;
    and a loss that diverges may be healthy for a while. The same reason is then the same place.
    """
    paid = facts.seconds >= _PAYS_SECONDS
    again = ledger.same >= CONFIRMED or (diverged(facts) and not paid)
    place = _place(facts, ledger.best)
    died = blame is Blame.PROGRAM
    # One that dies now and then has to die twice more from here before its checkpoint is in doubt.
    first = int(died and not _is_flaky(replace(ledger, by_program=0)))
    return replace(
        ledger,
        unpaid=ledger.unpaid + (not paid),
        without_work=0,
        by_program=0,
        lost_seconds=0,
        same=ledger.same + 1 if died and again and ledger.place == place else first,
        place=place,
        after=0,  # since a start further back
    )


def _lost(facts: Facts, ledger: Ledger, blame: Blame, *, further_back: bool) -> Ledger:
    """Count an attempt that committed nothing that was not there before."""
    place, counts = _place(facts, ledger.best, blame), blame not in NO_EVIDENCE
    ledger = replace(
        ledger,
        unpaid=ledger.unpaid + 1,
        lost_seconds=ledger.lost_seconds + facts.seconds,
        without_work=ledger.without_work + (blame is not Blame.PERSON),
        by_program=ledger.by_program + 1 if counts else 0,
    )
    if blame is Blame.PERSON or (blame is Blame.OUTSIDE and not _is_text_alone(facts)):
        return ledger
    further_back = further_back and ledger.same >= CONFIRMED
    alike = ledger.place == place and _agree(ledger.after, facts.seconds, further_back=further_back)
    # One that saved again what was there before leaves the next one less of the way.
    after = 0 if checkpoints.has_saved(facts) else facts.seconds
    return replace(ledger, same=ledger.same + 1 if alike else 1, place=place, after=after)


def _agree(before: int, now: int, *, further_back: bool) -> bool:
    """Whether two attempts died after about the same time; 0 is unknown, and agrees with any.

    One that was walked back has further to go: it comes to the same place later, if not at once.
    """
    tolerated = max(_TOLERATED_SECONDS, max(before, now) // _TOLERATED_SHARE)
    sooner = before - now > tolerated
    later = now - before > tolerated and not further_back
    return before == 0 or now == 0 or not (sooner or later)


def _is_text_alone(facts: Facts) -> bool:
    return facts.secondary_status not in _TAKEN_BACK


def diverged(facts: Facts) -> bool:
    """Whether the training side ended the attempt because its loss diverged."""
    return facts.failure_rule == LOSS_DIVERGED


def _place(facts: Facts, best: int, blame: Blame = Blame.PROGRAM) -> str:
    """Where and how an attempt died: the step that it could not get past, and its reason.

    A loss that diverges has no step of its own: what was healthy before it is found out anew. The
    same reason is another one where the job's log shows that a machine is to blame.
    """
    text = f"{'' if diverged(facts) else best}/{facts.signature}"
    text += "/outside" if blame is Blame.OUTSIDE else ""
    return hashlib.sha256(text.encode()).hexdigest()[:_PLACE_LENGTH]
