"""What a person is notified of, how often, and what comes next. Pure."""

from typing import assert_never

from resilience.decide.decisions import Decision, Progress, Reason, Verdict
from resilience.wire import words

_DAY = 86_400
# Waits that only a person can end are reported when they begin.
_WAITS_FOR_A_PERSON = frozenset(
    {
        Reason.WANDB_REFUSED,
        Reason.CREATE_DENIED,
        Reason.START_REFUSED,
        Reason.ACCESS_DENIED,
        Reason.FAILING_ALIKE,
        Reason.RUN_IN_USE,
    }
)


def notifies(decision: Decision) -> bool:
    """Whether a person is notified: of what is final or new at once, of a wait once a day."""
    match decision.verdict:
        case Verdict.STOP:
            return True
        case Verdict.RELAUNCH:
            return not _tries_again(decision)
        case Verdict.WAIT:
            # Of what the breaker holds the breaker notifies: once for the whole fleet.
            of_the_fleet = decision.reason is Reason.FLEET_BREAKER_OPEN
            return not of_the_fleet and (_needs_a_person_now(decision) or _a_day_ends(decision))
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
    if decision.reason not in _WAITS_FOR_A_PERSON:
        return False
    recorded = decision.facts.recorded
    if recorded is not None:
        return recorded.reason != decision.reason
    # This one comes after waits of another kind, which nobody was asked to end.
    return decision.reason is Reason.FAILING_ALIKE or not _goes_on(decision)


def _goes_on(decision: Decision) -> bool:
    """Whether the attempt before this one waited already."""
    lineage = decision.facts.lineage
    return lineage is not None and lineage.waiting is not None and lineage.waiting.times > 0


def _a_day_ends(decision: Decision) -> bool:
    """Whether a day of the wait ends before its next look.

    Between the times that two looks name for the next one lies each day's end once, however late
    either look was.
    """
    facts, waiting, due = decision.facts, decision.waiting, decision.due
    if waiting is None or due is None:
        return False
    # A successor was created when the attempt before it had waited long enough.
    this = facts.recorded.due if facts.recorded and facts.recorded.due else facts.created_at
    last = max(waiting.since, this or waiting.since)
    return (due - waiting.since) // _DAY > (last - waiting.since) // _DAY


def what_comes_next(decision: Decision) -> str:
    """One sentence for the operator."""
    match decision.verdict:
        case Verdict.RELAUNCH:
            name = decision.successor.name if decision.successor else "the successor"
            return f"{name} continues; nothing to do"
        case Verdict.WAIT:
            due = f"at {words.stamp(decision.due)}" if decision.due is not None else "later"
            act = decision.reason in _WAITS_FOR_A_PERSON
            return f"looked at again {due}; {_call(decision) if act else 'nothing to do'}"
        case Verdict.STOP:
            return _call(decision)
        case Verdict.IGNORE:
            return "nothing to do"
        case _:
            assert_never(decision.verdict)


def _call(decision: Decision) -> str:
    return f"a person must act: docs/runbook.md#{decision.reason}"
