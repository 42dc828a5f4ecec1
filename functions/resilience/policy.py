"""Facts in, decision out. Pure: no clock, no client, no environment, no chance."""

from dataclasses import replace
from typing import assert_never

from resilience import checkpoints, tags
from resilience.attempts import Case, measure
from resilience.backoff import wait_a_while, wait_for
from resilience.decisions import (
    Checkpoint,
    Decision,
    Facts,
    Judged,
    Ledger,
    Lookup,
    Mode,
    Progress,
    Reason,
    Succession,
    Successor,
    Verdict,
    Waiting,
)
from resilience.failures import LOSS_DIVERGED, Blame, FailureClass
from resilience.starts import refusal_of_the_start, why_not_started

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
# How an ended job's secondary status may read. SageMaker may add to it.
_ENDED_HOW = frozenset(
    {"Completed", "Failed", "Stopped", "Interrupted", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
)
_DAY = 86_400
_GOES_ON = frozenset({"InProgress", "Stopping", "Deleting"})
# A schedule and this clock may differ by the second that both are cut to.
_DUE_SLACK_SECONDS = 1
_NO_EVIDENCE = frozenset({Blame.OUTSIDE, Blame.PERSON})  # against program or checkpoint
# Waits that only a person can end are reported when they begin.
_WAITS_FOR_A_PERSON = frozenset(
    {Reason.WANDB_REFUSED, Reason.CREATE_DENIED, Reason.START_REFUSED, Reason.ACCESS_DENIED}
)
# Deaths at one place: the first is confirmed, the second walks back, the third stops.
_CONFIRMED, _WALKED_BACK = 2, 3
# A death that was confirmed waits so long for its next try: an incident that was read as a bug has
# passed by then, and a bug loses nothing.
_CONFIRM_SECONDS = 900
# An upload that has not ended when the job has is given so long (W&B commits within seconds).
_UPLOAD_SECONDS, _UPLOAD_LOOK_SECONDS = 90, 15
# What the fleet breaker holds looks again after so long, or up to twice as long: when it closes,
# the fleet does not come back in one second.
_HOLD_SECONDS = 900


def decide(facts: Facts) -> Decision:
    """Decide on one job. Total: every combination of facts has a verdict and a reason."""
    ignored = _ignore(facts)
    if ignored is not None:
        return Decision(verdict=Verdict.IGNORE, reason=ignored, rule=str(ignored), facts=facts)
    # What runs already is no longer to be distrusted: the record has to say so.
    relaunched = facts.succession is Succession.OURS and facts.failure_class and facts.lineage
    distrusted = None if relaunched else _distrust(facts)
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
        or _given_up(case)
        or _held_back(case)
        or _relaunch(case)
    )


def needs_checkpoints(facts: Facts) -> bool:
    """Whether the decision can depend on what W&B answers; if not, it is not asked."""
    return (
        _ignore(facts) is None
        and _distrust(facts) is None
        and facts.failure_class is not None
        and not facts.obstacles
    )


def _ignore(facts: Facts) -> Reason | None:  # noqa: PLR0911 — one line per reason reads best
    if facts.mode is Mode.OFF:
        return Reason.MODE_OFF
    if facts.status not in _ENDED:
        return Reason.NOT_ENDED if facts.status in _GOES_ON else Reason.STATUS_UNKNOWN
    if facts.request is None and not facts.tags_invalid:
        return Reason.NOT_OPTED_IN
    if facts.owner is not None:
        return Reason.OWNED_ELSEWHERE
    if not (facts.project_allowed or facts.tags_invalid):
        return Reason.PROJECT_NOT_ALLOWED
    # Before any verdict that a tag may claim: no tag brings back what a person stopped.
    stopped = facts.failure_class is FailureClass.STOPPED_BY_USER
    if facts.judged is not None:
        tried = _is_tried_for_the_fleet(facts)
        return _still_judged(facts.judged, facts.observed_at, stopped=stopped, tried=tried)
    return Reason.STOPPED_BY_USER if stopped else None


def _is_tried_for_the_fleet(facts: Facts) -> bool:
    """Whether the fleet breaker lets this job through before it is due."""
    held = facts.judged is not None and facts.judged.reason == Reason.FLEET_BREAKER_OPEN
    return held and facts.breaker.tries(facts.job)


def _still_judged(judged: Judged, now: int, *, stopped: bool, tried: bool) -> Reason | None:
    if judged.verdict != Verdict.WAIT:
        return Reason.ALREADY_JUDGED
    if stopped:
        return Reason.STOPPED_BY_USER
    if not tried and judged.due is not None and judged.due > now + _DUE_SLACK_SECONDS:
        return Reason.NOT_DUE
    return None


def _distrust(facts: Facts) -> tuple[Reason, str] | None:
    """Why what is said of the job may not be acted on, and what a person has to look at."""
    if facts.contradictions:
        return Reason.TAGS_CONTRADICT_LAUNCH, ", ".join(facts.contradictions)
    if facts.failure_class is None:
        return None
    if facts.secondary_status not in _ENDED_HOW and facts.failure_class is FailureClass.UNKNOWN:
        return Reason.TERMINATION_UNKNOWN, ""
    if facts.tags_invalid:
        return Reason.TAGS_INVALID, ""
    if facts.lineage is None:
        return Reason.LINEAGE_TAGS_MALFORMED, ""
    return _too_old(facts)


def _too_old(facts: Facts) -> tuple[Reason, str] | None:
    """Nobody expects a job of long ago to come back by itself. A wait knows how long it lasts."""
    if facts.ended_at is None or facts.judged is not None or facts.again is not None:
        return None
    age, most = facts.observed_at - facts.ended_at, facts.policy.max_age_days
    if age <= most * _DAY:
        return None
    return Reason.ENDED_TOO_LONG_AGO, f"{age // _DAY} days ago, {most} allowed"


def _settled(case: Case) -> Decision | None:
    """What an earlier try, or another's job, or the service's refusal has settled already."""
    name = tags.successor_name(case.lineage.root, case.lineage.attempt + 1)
    match case.facts.succession:
        case Succession.FOREIGN:
            return case.verdict(Verdict.STOP, Reason.NAME_TAKEN, "adjudication", name)
        case Succession.OURS:
            decision = case.verdict(
                Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED, "adjudication", name
            )
            return replace(decision, successor=_successor(case, None, case.ledger))
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
    if case.facts.started or case.facts.judged is not None:
        return None  # it has waited, for whatever reason; now it may try
    refused = refusal_of_the_start(case.failure_class)
    if refused is not None and not case.lineage.ledger.ends:
        return case.verdict(Verdict.STOP, refused, case.facts.failure_rule)
    return wait_for(case, why_not_started(case.failure_class), case.facts.failure_rule)


def _unanswered(case: Case) -> Decision | None:
    """What W&B does not say now, it says later."""
    facts = case.facts
    if facts.lookup is Lookup.UNAVAILABLE:
        return wait_for(case, Reason.WANDB_UNAVAILABLE, "wandb_unavailable")
    if facts.lookup is not Lookup.FOUND:
        return wait_for(case, Reason.WANDB_REFUSED, "wandb_refused")
    late = facts.ended_at is None or facts.observed_at - facts.ended_at > _UPLOAD_SECONDS
    if facts.pending and not case.advanced and not late:
        return wait_a_while(case, Reason.UPLOAD_PENDING, "upload_pending", _UPLOAD_LOOK_SECONDS)
    return None


def _given_up(case: Case) -> Decision | None:
    """The few ways in which a lineage ends without its work being done."""
    policy, ledger = case.facts.policy, case.ledger
    if ledger.unpaid >= policy.max_jobs:
        detail = f"{ledger.unpaid} that did not pay for a successor, {policy.max_jobs} allowed"
        return case.verdict(Verdict.STOP, Reason.ATTEMPTS_EXHAUSTED, "max_jobs", detail)
    if case.advanced:
        return _dead_again(case) if ledger.same >= _WALKED_BACK else None
    if ledger.lost_seconds > policy.max_lost_seconds:
        detail = f"{ledger.lost_seconds} s without a checkpoint, {policy.max_lost_seconds} allowed"
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "max_lost_seconds", detail)
    return _dead_again(case) if case.facts.started else None


def _dead_again(case: Case) -> Decision | None:
    """A death that comes again: at the same place, or wherever."""
    policy, ledger, rule = case.facts.policy, case.ledger, case.facts.failure_rule
    if case.blame in _NO_EVIDENCE:
        return None
    if case.blame is Blame.LIMIT and ledger.same >= _CONFIRMED:
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, rule)
    if ledger.same >= _WALKED_BACK:
        return case.verdict(Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP, rule)
    if ledger.without_work >= policy.max_without_work:
        detail = f"{ledger.without_work} in a row, {policy.max_without_work - 1} allowed"
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "max_without_work", detail)
    return None


def _held_back(case: Case) -> Decision | None:
    """Back off where the next try is likely to meet what this one met."""
    if case.advanced or case.facts.judged is not None or not case.facts.started:
        return None
    rule = case.facts.failure_rule
    if case.blame is Blame.PERSON:
        return wait_for(case, Reason.ACCESS_DENIED, rule)
    if case.blame is Blame.OUTSIDE and case.lineage.waiting is not None:
        return wait_for(case, Reason.FAILING_AGAIN, rule)
    has_older = checkpoints.choose(case.facts, case.rejected).chosen is not None
    if case.blame is Blame.PROGRAM and case.ledger.same == _CONFIRMED and has_older:
        return wait_a_while(case, Reason.FAILING_AGAIN, rule, _CONFIRM_SECONDS)
    return None


def _relaunch(case: Case) -> Decision:
    choice = checkpoints.choose(case.facts, case.rejected)
    refused = _nothing_to_resume(case, choice)
    walked_back = case.rejected != case.lineage.rejected
    decision = (
        refused or _held_by_the_fleet(case) or _launched(case, choice, walked_back=walked_back)
    )
    return replace(decision, passed_over=choice.passed_over)


def _held_by_the_fleet(case: Case) -> Decision | None:
    """Many lineages died soon of one cause: one at a time finds out whether it is over.

    An attempt that advanced is evidence that its lineage works, and goes on.
    """
    facts = case.facts
    if case.advanced or not facts.breaker.holds(facts.job, facts.cause):
        return None
    return wait_a_while(case, Reason.FLEET_BREAKER_OPEN, "fleet_breaker", _HOLD_SECONDS)


def _nothing_to_resume(case: Case, choice: checkpoints.Choice) -> Decision | None:
    """Start over only where the lineage never had a checkpoint.

    Checkpoints that were there and are gone, or have all been rejected, are a loss that a person
    must know of; and so is an alias that somebody wants and that names nothing of the lineage's.
    """
    if choice.chosen is not None:
        return None
    facts = case.facts
    if facts.elsewhere:
        detail = ", ".join(facts.elsewhere)
        return case.verdict(Verdict.STOP, Reason.CHECKPOINTS_ELSEWHERE, "choose", detail)
    if facts.run is None:
        return case.verdict(Verdict.STOP, Reason.RUN_UNKNOWN, "choose")
    if choice.alias_missing and facts.checkpoints:
        return case.verdict(Verdict.STOP, Reason.CHECKPOINT_ALIAS_MISSING, "choose")
    return _lost_or_hopeless(case)


def _lost_or_hopeless(case: Case) -> Decision | None:
    """There is nothing to resume from: it is gone, or all of it was tried, or nothing ever was."""
    if case.ledger.same >= _CONFIRMED:
        rule = case.facts.failure_rule
        return case.verdict(Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP, rule)
    excluded = case.rejected or case.facts.checkpoints
    if excluded or case.lineage.started_from is not None or case.ledger.best >= 0:
        return case.verdict(Verdict.STOP, Reason.NO_CHECKPOINT, "choose")
    return None


def _launched(case: Case, choice: checkpoints.Choice, *, walked_back: bool) -> Decision:
    chosen = choice.chosen
    ledger = replace(case.ledger, seen=checkpoints.newest_number(case.facts))
    if chosen is None:
        reason = Reason.RESTARTED_FROM_BEGINNING
    else:
        back = walked_back or _past_suspects(case, choice)
        reason = Reason.WALKED_BACK if back else Reason.RESUMED_FROM_CHECKPOINT
    return replace(
        case.verdict(Verdict.RELAUNCH, reason, case.facts.failure_rule),
        successor=_successor(case, chosen, ledger),
    )


def _past_suspects(case: Case, choice: checkpoints.Choice) -> bool:
    """Whether a loss that diverged cost the lineage steps that it had committed."""
    marked = any(fault == checkpoints.SUSPECT for _, fault in choice.passed_over)
    return marked and _diverged(case.facts)


def _diverged(facts: Facts) -> bool:
    return facts.failure_rule == LOSS_DIVERGED


def _successor(case: Case, checkpoint: Checkpoint | None, ledger: Ledger) -> Successor:
    attempt = case.lineage.attempt + 1
    # A wait goes on over attempts that never started, or failed of something outside, until one
    # has done work: the back-off goes on growing.
    goes_on = not case.advanced and (not case.facts.started or case.blame in _NO_EVIDENCE)
    waiting = (case.lineage.waiting or Waiting(0, case.facts.observed_at)) if goes_on else None
    return Successor(
        name=tags.successor_name(case.lineage.root, attempt),
        root=case.lineage.root,
        parent=case.facts.job,
        parent_created=case.facts.created_at,
        attempt=attempt,
        checkpoint=checkpoint,
        ledger=ledger,
        rejected=case.rejected,
        waiting=waiting,
        diverged=_diverged(case.facts),
    )


def notifies(decision: Decision) -> bool:
    """Whether a person is notified: of what is final or new at once, of a wait once a day."""
    match decision.verdict:
        case Verdict.STOP:
            return True
        case Verdict.RELAUNCH:
            return not _tries_again(decision)
        case Verdict.WAIT:
            # Of what the breaker holds, the breaker itself notifies: once for the fleet.
            of_the_fleet = decision.reason is Reason.FLEET_BREAKER_OPEN
            return not of_the_fleet and (
                _needs_a_person_now(decision) or _a_day_has_passed(decision)
            )
        case Verdict.IGNORE:
            return False
        case _:
            assert_never(decision.verdict)


def _tries_again(decision: Decision) -> bool:
    """Whether this is one more try within a wait, of which the wait itself is reported."""
    lineage = decision.facts.lineage
    waits = lineage is not None and lineage.waiting is not None
    return waits and decision.progress is not Progress.ADVANCED


def _needs_a_person_now(decision: Decision) -> bool:
    judged = decision.facts.judged
    begins = judged is None or judged.reason != decision.reason
    return begins and decision.reason in _WAITS_FOR_A_PERSON


def _a_day_has_passed(decision: Decision) -> bool:
    """Whether a day of the wait has ended since the look before this one."""
    facts, waiting = decision.facts, decision.waiting
    if waiting is None:
        return False
    before = facts.judged.due if facts.judged and facts.judged.due else facts.created_at
    last = max(waiting.since, before or waiting.since)
    return (facts.observed_at - waiting.since) // _DAY > (last - waiting.since) // _DAY


def what_comes_next(decision: Decision) -> str:
    """One sentence for the operator."""
    match decision.verdict:
        case Verdict.RELAUNCH:
            name = decision.successor.name if decision.successor else "the successor"
            return f"{name} continues; nothing to do"
        case Verdict.WAIT:
            due = f"at {tags.stamp(decision.due)}" if decision.due is not None else "later"
            return f"looked at again {due}; nothing to do"
        case Verdict.STOP:
            return f"a person must act: docs/runbook.md#{decision.reason}"
        case Verdict.IGNORE:
            return "nothing to do"
        case _:
            assert_never(decision.verdict)
