"""Facts in, decision out. Pure: no clock, no client, no environment, no chance."""

from dataclasses import replace
from typing import assert_never

from resilience.decide import checkpoints
from resilience.decide.attempts import Case, measure
from resilience.decide.backoff import wait_a_while, wait_for
from resilience.decide.decisions import (
    Decision,
    Facts,
    Lookup,
    Progress,
    Reason,
    Succession,
    Verdict,
)
from resilience.decide.repeating import given_up, held_back
from resilience.decide.resuming import (
    launched,
    nothing_to_resume,
    stopped_by_its_store,
    successor,
)
from resilience.decide.starts import refusal_of_the_start, why_not_started
from resilience.decide.trust import why_distrusted, why_ignored
from resilience.decide.writers import somebody_else_writes
from resilience.failures import Blame, FailureClass, says_nothing

# An upload that has not ended when the job has is given so long (W&B commits within seconds).
_UPLOAD_SECONDS, _UPLOAD_LOOK_SECONDS = 90, 15
# What the fleet breaker holds looks again after so long, or up to twice as long: when it closes,
# the fleet does not come back in one second.
_HOLD_SECONDS = 900


def decide(facts: Facts) -> Decision:
    """Decide on one job. Total: every combination of facts has a verdict and a reason."""
    ignored = why_ignored(facts)
    if ignored is not None:
        return Decision(verdict=Verdict.IGNORE, reason=ignored, rule=str(ignored), facts=facts)
    # What runs already is no longer to be distrusted: the record has to say so.
    stopped = facts.failure_class in {None, FailureClass.STOPPED_BY_USER}
    relaunched = facts.succession is Succession.OURS and facts.lineage and not stopped
    distrusted = None if relaunched else why_distrusted(facts)
    if distrusted is not None:
        reason, detail = distrusted
        return Decision(
            verdict=Verdict.STOP, reason=reason, rule=str(reason), facts=facts, detail=detail
        )
    if facts.failure_class is None:
        return Decision(
            verdict=Verdict.IGNORE, reason=Reason.COMPLETED, rule=facts.failure_rule, facts=facts
        )
    if facts.lineage is None:
        raise AssertionError("a lineage that cannot be read is distrusted")
    case = measure(facts, facts.lineage, facts.failure_class)
    return (
        _settled(case)
        or _forbidden(case)
        or _not_started(case)
        or _unanswered(case)
        or stopped_by_its_store(case)
        or given_up(case)
        or _in_use(case)
        or _went_on(case)
    )


def needs_checkpoints(facts: Facts) -> bool:
    """Whether the decision can depend on what W&B answers; if not, it is not asked."""
    return (
        why_ignored(facts) is None
        and why_distrusted(facts) is None
        and facts.failure_class is not None
        and not facts.obstacles
    )


def needs_log(facts: Facts) -> bool:
    """Whether the decision can depend on a failure class that the reason does not tell.

    An attempt that never started, or advanced, is decided by that. Where W&B was not asked, or has
    not answered, nobody knows whether it advanced, and no class matters.
    """
    return (
        says_nothing(facts.failure_class, facts.failure_rule)
        and facts.started
        and checkpoints.progress(facts) is Progress.SAME
        and not _uploads(facts)
    )


def _settled(case: Case) -> Decision | None:
    """What an earlier try, or another's job, or the service's refusal has settled already."""
    name = case.lineage.next_name
    match case.facts.succession:
        case Succession.FOREIGN:
            return case.verdict(Verdict.STOP, Reason.NAME_TAKEN, "adjudication", name)
        case Succession.OURS:
            decision = case.verdict(
                Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED, "adjudication", name
            )
            return replace(decision, successor=successor(case, None, case.ledger))
        case Succession.UNKNOWN:
            return _refused(case)
        case _:
            assert_never(case.facts.succession)


def _refused(case: Case) -> Decision | None:
    """CreateTrainingJob refused the successor: wait where time helps, else stop."""
    if case.facts.refusal is None:
        return None
    failure_class, rule = case.facts.refusal
    reasons = {
        FailureClass.CAPACITY: Reason.CAPACITY_UNAVAILABLE,
        FailureClass.QUOTA: Reason.QUOTA_REACHED,
        FailureClass.INFRASTRUCTURE: Reason.THROTTLED,
        FailureClass.PERMISSION: Reason.CREATE_DENIED,
    }
    if failure_class in reasons:
        return wait_for(case, reasons[failure_class], rule)
    return case.verdict(Verdict.STOP, Reason.REQUEST_REJECTED, rule)


def _forbidden(case: Case) -> Decision | None:
    """What no time heals: the job cannot be cloned faithfully, or may not be."""
    if not case.facts.obstacles:
        return None
    reason, detail = case.facts.obstacles[0]
    return case.verdict(Verdict.STOP, reason, str(reason), detail)


def _not_started(case: Case) -> Decision | None:
    """A job that never began to train is nobody's fault, and counts against nothing.

    Only AWS's refusal of a configuration that has never trained is final.
    """
    if case.facts.started or case.facts.recorded is not None:
        return None  # it has waited, for whatever reason; now it may try
    refused = refusal_of_the_start(case.failure_class)
    if refused is not None and not case.ledger.ends and case.ledger.refused >= _seen_before(case):
        return case.verdict(Verdict.STOP, refused, case.facts.failure_rule)
    return wait_for(case, why_not_started(case.failure_class), case.facts.failure_rule)


def _seen_before(case: Case) -> int:
    """How often a refusal is to be seen: twice where something else has failed before it."""
    return 1 if case.lineage.attempt == 1 else 2


def _unanswered(case: Case) -> Decision | None:
    """What W&B does not say now, it says later."""
    facts = case.facts
    if facts.lookup is Lookup.UNAVAILABLE:
        return wait_for(case, Reason.WANDB_UNAVAILABLE, "wandb_unavailable")
    if facts.lookup is not Lookup.FOUND:
        return wait_for(case, Reason.WANDB_REFUSED, "wandb_refused")
    if _uploads(facts):
        return wait_a_while(case, Reason.UPLOAD_PENDING, "upload_pending", _UPLOAD_LOOK_SECONDS)
    return None


def _uploads(facts: Facts) -> bool:
    """Whether a version that the attempt made may still be on its way."""
    late = facts.ended_at is None or facts.observed_at - facts.ended_at > _UPLOAD_SECONDS
    return facts.pending > 0 and not late


def _went_on(case: Case) -> Decision:
    """Go on from the best checkpoint, at once or later, or stop where there is nothing to go on.

    What stops is not held back first: the next look would find what this one has found.
    """
    choice = checkpoints.choose(case.facts, case.rejected)
    decision = nothing_to_resume(case, choice) or _held(case) or launched(case, choice)
    return replace(decision, passed_over=choice.passed_over)


def _held(case: Case) -> Decision | None:
    """Wait for a person's grant, with the fleet, or by the lineage's own back-off."""
    facts = case.facts
    if case.blame is Blame.PERSON:
        return held_back(case) or _held_by_the_fleet(case)
    # The one that the fleet tries has waited for long, and finds out for all.
    tried = facts.breaker.tries(facts.job)
    return _held_by_the_fleet(case) or (None if tried else held_back(case))


def _held_by_the_fleet(case: Case) -> Decision | None:
    """Many lineages died soon of one cause: one at a time finds out whether it is over.

    An attempt that advanced is evidence that its lineage works, and goes on.
    """
    facts = case.facts
    if case.advanced or not facts.breaker.holds(facts.job, facts.cause):
        return None
    return wait_a_while(case, Reason.FLEET_BREAKER_OPEN, "fleet_breaker", _HOLD_SECONDS)


def _in_use(case: Case) -> Decision | None:
    """A run that somebody else writes to is left to them; a person may have continued it by hand.

    Where the writer is our own successor, the controller finds it before it records the wait.
    """
    if not somebody_else_writes(case.facts):
        return None
    return wait_for(case, Reason.RUN_IN_USE, "heartbeat")
