"""Facts in, decision out. Pure: no clock, no client, no environment, no chance."""

from dataclasses import replace
from typing import assert_never

from resilience import checkpoints, tags
from resilience.attempts import NEVER_TRAINED, Case, measure
from resilience.backoff import wait_for
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
)
from resilience.failures import LOSS_DIVERGED, FailureClass

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
# How an ended job's secondary status may read. SageMaker may add to it.
_ENDED_HOW = frozenset(
    {"Completed", "Failed", "Stopped", "Interrupted", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
)
_DAY = 86_400
_GOES_ON = frozenset({"InProgress", "Stopping", "Deleting"})
# A schedule and this clock may differ by the second that both are cut to.
_DUE_SLACK_SECONDS = 1
# Ends after which the lineage may start over when it has no checkpoint yet: nothing of its own
# doing ended it.
_MAY_RESTART = frozenset(
    {
        FailureClass.INFRASTRUCTURE,
        FailureClass.CAPACITY,
        FailureClass.QUOTA,
        FailureClass.INTERRUPTED,
    }
)
_CONFIRMED_ONCE = frozenset({FailureClass.USER_CODE, FailureClass.DATA, FailureClass.UNKNOWN})
_HOPELESS = {
    FailureClass.OUT_OF_MEMORY: Reason.OUT_OF_MEMORY,
    FailureClass.PERMISSION: Reason.PERMISSION_DENIED,
    FailureClass.CONFIGURATION: Reason.CONFIGURATION_INVALID,
}


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
    return _settled(case) or _stop(case) or _wait(case) or _relaunch(case)


def needs_checkpoints(facts: Facts) -> bool:
    """Whether the decision can depend on what W&B answers; if not, it is not asked."""
    return (
        _ignore(facts) is None
        and _distrust(facts) is None
        and facts.failure_class is not None
        and facts.failure_class not in _HOPELESS
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
        return _still_judged(facts.judged, facts.observed_at, stopped=stopped)
    return Reason.STOPPED_BY_USER if stopped else None


def _still_judged(judged: Judged, now: int, *, stopped: bool) -> Reason | None:
    if judged.verdict != Verdict.WAIT:
        return Reason.ALREADY_JUDGED
    if stopped:
        return Reason.STOPPED_BY_USER
    if judged.due is not None and judged.due > now + _DUE_SLACK_SECONDS:
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
    if facts.ended_at is None or facts.judged is not None:
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


def _stop(case: Case) -> Decision | None:
    if case.failure_class in _HOPELESS:
        reason = _HOPELESS[case.failure_class]
        return case.verdict(Verdict.STOP, reason, case.facts.failure_rule)
    if case.facts.obstacles:
        reason, detail = case.facts.obstacles[0]
        return case.verdict(Verdict.STOP, reason, str(reason), detail)
    return _over_budget(case)


def _over_budget(case: Case) -> Decision | None:
    policy, ledger, cls = case.facts.policy, case.ledger, case.failure_class
    never_trained = sum(ledger.count(str(one)) for one in NEVER_TRAINED)
    if case.lineage.attempt - never_trained >= policy.max_attempts and cls not in NEVER_TRAINED:
        return case.verdict(
            Verdict.STOP, Reason.ATTEMPTS_EXHAUSTED, "max_attempts", f"of {policy.max_attempts}"
        )
    if case.lineage.attempt >= policy.max_jobs:
        return case.verdict(
            Verdict.STOP, Reason.ATTEMPTS_EXHAUSTED, "max_jobs", f"of {policy.max_jobs}"
        )
    if ledger.without_progress >= policy.max_without_progress:
        return case.verdict(
            Verdict.STOP,
            Reason.NO_PROGRESS,
            "max_without_progress",
            f"{ledger.without_progress} in a row",
        )
    if cls not in NEVER_TRAINED and ledger.count(str(cls)) > policy.budget(cls):
        return case.verdict(
            Verdict.STOP, Reason.CLASS_BUDGET_EXHAUSTED, f"max_{cls}", f"of {policy.budget(cls)}"
        )
    return None


def _wait(case: Case) -> Decision | None:
    if case.facts.lookup is Lookup.UNAVAILABLE:
        return wait_for(case, Reason.WANDB_UNAVAILABLE, "wandb_unavailable")
    if case.facts.lookup is not Lookup.FOUND:
        return wait_for(case, Reason.WANDB_REFUSED, "wandb_refused")
    if case.failure_class not in NEVER_TRAINED:
        return None
    reason = (
        Reason.CAPACITY_UNAVAILABLE
        if case.failure_class is FailureClass.CAPACITY
        else Reason.QUOTA_REACHED
    )
    if case.facts.judged is not None:
        return None  # it has waited, for whatever reason; now it may try
    return wait_for(case, reason, case.facts.failure_rule)


def _relaunch(case: Case) -> Decision:
    choice = checkpoints.choose(case.facts, case.rejected)
    walked_back = case.rejected != case.lineage.rejected
    refused = _nothing_to_resume(case, choice) or (
        None if walked_back else _unconfirmed(case, choice)
    )
    decision = refused or _launched(case, choice, walked_back=walked_back)
    return replace(decision, passed_over=choice.passed_over)


def _nothing_to_resume(case: Case, choice: checkpoints.Choice) -> Decision | None:
    """Start over only where the lineage never had a checkpoint and is not to blame for its end.

    Checkpoints that were there and are gone, or have all been rejected, are a loss that a person
    must know of; and so is an alias that somebody wants and that names nothing of the lineage's.
    """
    if choice.chosen is not None:
        return None
    if case.facts.elsewhere:
        detail = ", ".join(case.facts.elsewhere)
        return case.verdict(Verdict.STOP, Reason.CHECKPOINTS_ELSEWHERE, "choose", detail)
    if case.facts.run is None:
        return case.verdict(Verdict.STOP, Reason.RUN_UNKNOWN, "choose")
    if choice.alias_missing and case.facts.checkpoints:
        return case.verdict(Verdict.STOP, Reason.CHECKPOINT_ALIAS_MISSING, "choose")
    excluded = bool(case.rejected) or bool(case.facts.checkpoints)
    had_one = excluded or case.lineage.started_from is not None
    if had_one or case.failure_class not in _MAY_RESTART:
        return case.verdict(Verdict.STOP, Reason.NO_CHECKPOINT, "choose")
    return None


def _unconfirmed(case: Case, choice: checkpoints.Choice) -> Decision | None:
    """Refuse a retry that would only repeat the same end at the same step.

    Where steps are unknown, a version that is newer than the attempt is the evidence.
    """
    cls, chosen = case.failure_class, choice.chosen
    newer = chosen is not None and checkpoints.is_newer(chosen, case.facts)
    if case.progress is Progress.ADVANCED or (case.progress is Progress.UNKNOWN and newer):
        return None
    if cls in _CONFIRMED_ONCE:
        return case.verdict(Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP, case.facts.failure_rule)
    if cls is FailureClass.TIMEOUT:
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "timeout_without_progress")
    return None


def _launched(case: Case, choice: checkpoints.Choice, *, walked_back: bool) -> Decision:
    chosen = choice.chosen
    ledger = replace(case.ledger, seen=checkpoints.newest_number(case.facts))
    if chosen is None or chosen.version != case.lineage.started_from:
        ledger = replace(ledger, at_checkpoint=0)
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
    # A wait for capacity goes on over attempts that never started; any other end has ended it.
    waiting = case.lineage.waiting if case.failure_class in NEVER_TRAINED else None
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
