"""What is left alone, and what is said of a job that may not be acted on. Pure."""

from resilience.decide.decisions import Facts, Mode, Reason, Recorded, Verdict
from resilience.failures import FailureClass, is_like_a_stop

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
# How an ended job's secondary status may read. SageMaker may add to it.
_ENDED_HOW = frozenset(
    {"Completed", "Failed", "Stopped", "Interrupted", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
)
_GOES_ON = frozenset({"InProgress", "Stopping", "Deleting"})
# A schedule and this clock may differ by the second that both are cut to.
_DUE_SLACK_SECONDS = 1
_DAY = 86_400


def why_ignored(facts: Facts) -> Reason | None:  # noqa: PLR0911 — one line per reason reads best
    """Why the job is not ours to decide on; None: it is."""
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
    stopped = _was_stopped(facts) and not is_like_a_stop(facts.failure_rule)
    if facts.recorded is not None:
        tried = _is_tried_for_the_fleet(facts.recorded, facts)
        return _still_recorded(facts.recorded, facts.observed_at, stopped=stopped, tried=tried)
    return Reason.STOPPED_BY_USER if stopped else None


def _was_stopped(facts: Facts) -> bool:
    return facts.failure_class is FailureClass.STOPPED_BY_USER


def _is_tried_for_the_fleet(recorded: Recorded, facts: Facts) -> bool:
    """Whether the fleet breaker lets the job through before it is due."""
    return recorded.reason == Reason.FLEET_BREAKER_OPEN and facts.breaker.tries(facts.job)


def _still_recorded(recorded: Recorded, now: int, *, stopped: bool, tried: bool) -> Reason | None:
    if recorded.verdict != Verdict.WAIT:
        return Reason.ALREADY_DECIDED
    if stopped:
        return Reason.STOPPED_BY_USER
    if not tried and recorded.due is not None and recorded.due > now + _DUE_SLACK_SECONDS:
        return Reason.NOT_DUE
    return None


def why_distrusted(facts: Facts) -> tuple[Reason, str] | None:
    """Why what is said of the job may not be acted on, and what a person has to look at."""
    if facts.contradictions:
        return Reason.TAGS_CONTRADICT_LAUNCH, ", ".join(facts.contradictions)
    if facts.failure_class is None:
        return None
    # A text alone ends nothing silently, for a job writes its own; but it is no bug to try again.
    if _was_stopped(facts):
        return Reason.STOPPED_BY_USER, facts.failure_rule
    if facts.secondary_status not in _ENDED_HOW and facts.failure_class is FailureClass.UNKNOWN:
        return Reason.TERMINATION_UNKNOWN, ""
    return _unreadable(facts) or _too_old(facts)


def _unreadable(facts: Facts) -> tuple[Reason, str] | None:
    if facts.tags_invalid:
        return Reason.TAGS_INVALID, ""
    return (Reason.LINEAGE_TAGS_MALFORMED, "") if facts.lineage is None else None


def _too_old(facts: Facts) -> tuple[Reason, str] | None:
    """Nobody expects a job of long ago to come back by itself. A wait knows how long it lasts."""
    if facts.ended_at is None or facts.recorded is not None or facts.again is not None:
        return None
    age, most = facts.observed_at - facts.ended_at, facts.policy.max_age_days
    if age <= most * _DAY:
        return None
    return Reason.ENDED_TOO_LONG_AGO, f"{age // _DAY} days ago, {most} allowed"
