"""Facts in, decision out. Pure: no clock, no client, no environment, no chance."""

import hashlib
from dataclasses import dataclass, replace
from typing import assert_never

from resilience import checkpoints, tags
from resilience.decisions import (
    Checkpoint,
    Decision,
    Facts,
    Judged,
    Ledger,
    Lineage,
    Lookup,
    Mode,
    Progress,
    Reason,
    Succession,
    Successor,
    Verdict,
    Waiting,
)
from resilience.failures import FailureClass

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_GOES_ON = frozenset({"InProgress", "Stopping", "Deleting"})
# One-shot schedules fire to the minute; a wait that is this close to its end is over.
_DUE_SLACK_SECONDS = 5
# An attempt that never trained says nothing about progress, nor about the checkpoint it was given.
_NEVER_TRAINED = frozenset({FailureClass.CAPACITY, FailureClass.QUOTA})
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
_DEATHS_THAT_REJECT = 2


@dataclass(frozen=True, slots=True)
class _Case:
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


def decide(facts: Facts) -> Decision:
    """Decide on one job. Total: every combination of facts has a verdict and a reason."""
    ignored = _ignore(facts)
    if ignored is not None:
        return Decision(verdict=Verdict.IGNORE, reason=ignored, rule=str(ignored), facts=facts)
    if facts.failure_class is None:
        return Decision(
            verdict=Verdict.IGNORE, reason=Reason.COMPLETED, rule=facts.failure_rule, facts=facts
        )
    if facts.lineage is None:
        return Decision(
            verdict=Verdict.STOP,
            reason=Reason.LINEAGE_TAGS_MALFORMED,
            rule="lineage_tags_malformed",
            facts=facts,
        )
    case = _measure(facts, facts.lineage, facts.failure_class)
    return _settled(case) or _stop(case) or _wait(case) or _relaunch(case)


def needs_checkpoints(facts: Facts) -> bool:
    """Whether the decision can depend on what W&B answers; if not, it is not asked."""
    return (
        _ignore(facts) is None
        and facts.failure_class is not None
        and facts.failure_class not in _HOPELESS
        and not facts.obstacles
    )


def _ignore(facts: Facts) -> Reason | None:  # noqa: PLR0911 — one line per reason reads best
    if facts.mode is Mode.OFF:
        return Reason.MODE_OFF
    if facts.status not in _ENDED:
        return Reason.NOT_ENDED if facts.status in _GOES_ON else Reason.STATUS_UNKNOWN
    if facts.tags_invalid:
        return Reason.TAGS_INVALID
    if facts.request is None:
        return Reason.NOT_OPTED_IN
    if facts.owner is not None:
        return Reason.OWNED_ELSEWHERE
    if not facts.project_allowed:
        return Reason.PROJECT_NOT_ALLOWED
    if facts.judged is not None:
        return _still_judged(facts.judged, facts.observed_at)
    if facts.failure_class is FailureClass.STOPPED_BY_USER:
        return Reason.STOPPED_BY_USER
    return None


def _still_judged(judged: Judged, now: int) -> Reason | None:
    if judged.verdict != Verdict.WAIT:
        return Reason.ALREADY_JUDGED
    if judged.due is not None and judged.due > now + _DUE_SLACK_SECONDS:
        return Reason.NOT_DUE
    return None


def _measure(facts: Facts, lineage: Lineage, failure_class: FailureClass) -> _Case:
    progress = checkpoints.progress(facts)
    ledger = _counted(lineage.ledger, failure_class, progress)
    rejected = lineage.rejected
    at = lineage.started_from
    poisonous = facts.checkpoint_load_error or ledger.at_checkpoint >= _DEATHS_THAT_REJECT
    if at is not None and at not in rejected and poisonous and progress is not Progress.ADVANCED:
        rejected = (*rejected, at)
        ledger = replace(ledger, at_checkpoint=0)
    return _Case(facts, lineage, failure_class, progress, ledger, rejected)


def _counted(ledger: Ledger, failure_class: FailureClass, progress: Progress) -> Ledger:
    """Count this end. Class counts only grow; only an advance clears what counts in a row."""
    ends = dict(ledger.ends)
    ends[str(failure_class)] = ends.get(str(failure_class), 0) + 1
    ledger = replace(ledger, ends=tuple(sorted(ends.items())))
    if progress is Progress.ADVANCED:
        return replace(ledger, without_progress=0, at_checkpoint=0)
    if progress is Progress.UNKNOWN or failure_class in _NEVER_TRAINED:
        return ledger
    return replace(
        ledger,
        without_progress=ledger.without_progress + 1,
        at_checkpoint=ledger.at_checkpoint + 1,
    )


def _settled(case: _Case) -> Decision | None:
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


def _refused(case: _Case) -> Decision | None:
    """CreateTrainingJob refused the successor: wait where time helps, else stop."""
    if case.facts.refusal is None:
        return None
    failure_class, rule = case.facts.refusal
    reasons = {
        FailureClass.CAPACITY: Reason.CAPACITY_UNAVAILABLE,
        FailureClass.QUOTA: Reason.QUOTA_REACHED,
        FailureClass.INFRASTRUCTURE: Reason.THROTTLED,
    }
    if failure_class in reasons:
        return _wait_for(case, reasons[failure_class], rule)
    return case.verdict(Verdict.STOP, Reason.REQUEST_REJECTED, rule)


def _stop(case: _Case) -> Decision | None:
    if case.failure_class in _HOPELESS:
        reason = _HOPELESS[case.failure_class]
        return case.verdict(Verdict.STOP, reason, case.facts.failure_rule)
    if case.facts.obstacles:
        reason, detail = case.facts.obstacles[0]
        return case.verdict(Verdict.STOP, reason, str(reason), detail)
    return _over_budget(case)


def _over_budget(case: _Case) -> Decision | None:
    policy, ledger, cls = case.facts.policy, case.ledger, case.failure_class
    never_trained = sum(ledger.count(str(one)) for one in _NEVER_TRAINED)
    if case.lineage.attempt - never_trained >= policy.max_attempts and cls not in _NEVER_TRAINED:
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
    if cls not in _NEVER_TRAINED and ledger.count(str(cls)) > policy.budget(cls):
        return case.verdict(
            Verdict.STOP, Reason.CLASS_BUDGET_EXHAUSTED, f"max_{cls}", f"of {policy.budget(cls)}"
        )
    return None


def _wait(case: _Case) -> Decision | None:
    if case.facts.lookup is Lookup.UNAVAILABLE:
        return _wait_for(case, Reason.WANDB_UNAVAILABLE, "wandb_unavailable")
    if case.facts.lookup is not Lookup.FOUND:
        return _wait_for(case, Reason.WANDB_REFUSED, "wandb_refused")
    if case.failure_class not in _NEVER_TRAINED:
        return None
    reason = (
        Reason.CAPACITY_UNAVAILABLE
        if case.failure_class is FailureClass.CAPACITY
        else Reason.QUOTA_REACHED
    )
    judged = case.facts.judged
    if judged is not None and judged.reason == reason:
        return None  # it has waited; now it may try
    return _wait_for(case, reason, case.facts.failure_rule)


def _wait_for(case: _Case, reason: Reason, rule: str) -> Decision:
    """Wait with exponential back-off and full jitter, bounded by a total time.

    Source: M. Brooker, "Exponential Backoff And Jitter" (2015): delay = U(0, min(cap, base·2ⁿ)).
    The draw is a hash of job and n, so a decision replays to the same second.
    """
    facts, policy = case.facts, case.facts.policy
    waiting = _wait_so_far(case) or Waiting(0, facts.observed_at)
    if facts.observed_at - waiting.since >= policy.wait_total_seconds:
        return case.verdict(
            Verdict.STOP, Reason.WAIT_TIME_EXHAUSTED, rule, f"after {policy.wait_total_seconds} s"
        )
    doublings = min(waiting.times, 30)
    ceiling = min(policy.backoff_max_seconds, policy.backoff_base_seconds * 2**doublings)
    delay = max(1, round(_draw(f"{facts.job}/{waiting.times}") * ceiling))
    return replace(
        case.verdict(Verdict.WAIT, reason, rule),
        due=facts.observed_at + delay if facts.scheduled is None else facts.scheduled,
        waiting=replace(waiting, times=waiting.times + 1),
    )


def _wait_so_far(case: _Case) -> Waiting | None:
    """A wait goes on over looks at one job and over attempts that never started, no further."""
    goes_on = case.facts.judged is not None or case.failure_class in _NEVER_TRAINED
    return case.lineage.waiting if goes_on else None


def _draw(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def _relaunch(case: _Case) -> Decision:
    choice = checkpoints.choose(case.facts, case.rejected)
    walked_back = len(case.rejected) > len(case.lineage.rejected)
    refused = _unconfirmed(case, walked_back=walked_back and choice.chosen is not None)
    if refused is not None:
        return replace(refused, passed_over=choice.passed_over)
    if choice.chosen is None and case.facts.checkpoints and choice.alias_missing:
        return replace(
            case.verdict(Verdict.STOP, Reason.CHECKPOINT_ALIAS_MISSING, "choose"),
            passed_over=choice.passed_over,
        )
    # Checkpoints that were there and are gone are a loss that a person must know of.
    had_one = bool(case.rejected) or case.lineage.started_from is not None
    if choice.chosen is None and (had_one or case.failure_class not in _MAY_RESTART):
        return replace(
            case.verdict(Verdict.STOP, Reason.NO_CHECKPOINT, "choose"),
            passed_over=choice.passed_over,
        )
    return _launched(case, choice, walked_back=walked_back)


def _unconfirmed(case: _Case, *, walked_back: bool) -> Decision | None:
    """Refuse a retry that would only repeat the same end at the same step."""
    cls, progress = case.failure_class, case.progress
    if walked_back or progress is Progress.ADVANCED:
        return None
    first_of_its_class = case.ledger.count(str(cls)) <= 1
    if cls in _CONFIRMED_ONCE and not (progress is Progress.UNKNOWN and first_of_its_class):
        return case.verdict(Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP, case.facts.failure_rule)
    if cls is FailureClass.TIMEOUT and progress is not Progress.UNKNOWN:
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "timeout_without_progress")
    return None


def _launched(case: _Case, choice: checkpoints.Choice, *, walked_back: bool) -> Decision:
    chosen, ledger = choice.chosen, case.ledger
    if chosen is None or chosen.version != case.lineage.started_from:
        ledger = replace(ledger, at_checkpoint=0)
    if chosen is None:
        reason = Reason.RESTARTED_FROM_BEGINNING
    else:
        reason = Reason.WALKED_BACK if walked_back else Reason.RESUMED_FROM_CHECKPOINT
    return replace(
        case.verdict(Verdict.RELAUNCH, reason, case.facts.failure_rule),
        passed_over=choice.passed_over,
        successor=_successor(case, chosen, ledger),
    )


def _successor(case: _Case, checkpoint: Checkpoint | None, ledger: Ledger) -> Successor:
    attempt = case.lineage.attempt + 1
    # A wait for capacity goes on over attempts that never started; any other end has ended it.
    waiting = case.lineage.waiting if case.failure_class in _NEVER_TRAINED else None
    return Successor(
        name=tags.successor_name(case.lineage.root, attempt),
        root=case.lineage.root,
        parent=case.facts.job,
        attempt=attempt,
        checkpoint=checkpoint,
        ledger=ledger,
        rejected=case.rejected,
        waiting=waiting,
    )


def what_comes_next(decision: Decision) -> str:
    """One sentence for the operator."""
    match decision.verdict:
        case Verdict.RELAUNCH:
            name = decision.successor.name if decision.successor else "the successor"
            return f"{name} continues; nothing to do"
        case Verdict.WAIT:
            due = tags.stamp(decision.due) if decision.due is not None else "later"
            return f"looked at again at {due}; nothing to do"
        case Verdict.STOP:
            return f"a person must act: docs/runbook.md#{decision.reason}"
        case Verdict.IGNORE:
            return "nothing to do"
        case _:
            assert_never(decision.verdict)
