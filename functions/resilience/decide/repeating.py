"""Deaths that come again without work: when the next try waits, and when there is none. Pure."""

from typing import assert_never

from resilience.decide.attempts import CONFIRMED, Case, diverged
from resilience.decide.backoff import wait_a_while, wait_for
from resilience.decide.decisions import Decision, Facts, Reason, Verdict
from resilience.failures import Blame

# Deaths at one place: the first is confirmed, the second walks back, the third stops.
_WALKED_BACK = CONFIRMED + 1
# Deaths alike of which a text says that something outside did it: the fifth waits for a night, and
# the sixth stops. Most of what is outside has passed by then; no checkpoint is blamed.
_WAITS_FOR_A_NIGHT = 5
_NIGHT_SECONDS = 28_800
# A death that was confirmed waits so long for its next try: an incident that was read as a bug has
# passed by then, and a bug loses nothing.
_CONFIRM_SECONDS = 900
# A program that dies now and then, and goes on, may do so more often in a row.
_FLAKY_TIMES = 2


def given_up(case: Case) -> Decision | None:
    """The few ways in which a lineage ends without its work being done."""
    policy, ledger = case.facts.policy, case.ledger
    if ledger.unpaid >= policy.max_jobs:
        detail = f"{ledger.unpaid} that did not pay for a successor, {policy.max_jobs} allowed"
        return case.verdict(Verdict.STOP, Reason.ATTEMPTS_EXHAUSTED, "max_jobs", detail)
    if case.advanced:
        again = case.facts.started and ledger.same >= _WALKED_BACK
        return _dead_again(case) if again else None
    if ledger.lost_seconds > policy.max_lost_seconds:
        detail = f"{ledger.lost_seconds} s without a checkpoint, {policy.max_lost_seconds} allowed"
        return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "max_lost_seconds", detail)
    return _dead_again(case) if case.facts.started else None


def _dead_again(case: Case) -> Decision | None:
    """A death that comes again: at the same place, or wherever."""
    policy, ledger = case.facts.policy, case.ledger
    if ledger.without_work >= policy.max_failing:
        return _too_often(case, "max_failing", ledger.without_work, policy.max_failing)
    if case.blame is Blame.PERSON or (case.blame is Blame.OUTSIDE and not case.in_doubt):
        return None
    if ledger.same >= _last_at_one_place(case):
        limit = case.blame is Blame.LIMIT
        reason = Reason.NO_PROGRESS if limit else Reason.FAILED_AGAIN_AT_SAME_STEP
        return case.verdict(Verdict.STOP, reason, case.facts.failure_rule)
    most = policy.max_without_work * (_FLAKY_TIMES if case.flaky else 1)
    if case.blame is not Blame.OUTSIDE and ledger.by_program >= most:
        return _too_often(case, "max_without_work", ledger.by_program, most)
    return None


def _too_often(case: Case, rule: str, times: int, most: int) -> Decision:
    detail = f"{times} in a row, {most - 1} allowed"
    return case.verdict(Verdict.STOP, Reason.NO_PROGRESS, rule, detail)


def _last_at_one_place(case: Case) -> int:
    """How many deaths at one place are enough for a person to look."""
    if case.blame is Blame.OUTSIDE:
        return _WAITS_FOR_A_NIGHT + 1
    # A loss that diverged walks back at its first death, past what the training marked.
    went_back = diverged(case.facts) and case.went_back
    return CONFIRMED if went_back or case.blame is Blame.LIMIT else _WALKED_BACK


def held_back(case: Case) -> Decision | None:
    """Back off where the next try is likely to meet what this one met."""
    if case.advanced or not case.facts.started:
        return None
    if _needs_a_night(case):
        return _half_the_longest(case, Reason.FAILING_ALIKE)
    return None if _has_waited(case.facts) else _backed_off(case)


def _backed_off(case: Case) -> Decision | None:
    rule = case.facts.failure_rule
    match case.blame:
        case Blame.PERSON:
            return _half_the_longest(case, Reason.ACCESS_DENIED)
        case Blame.OUTSIDE if case.in_doubt and case.ledger.same > CONFIRMED:
            # What strikes so often alike does not pass in minutes.
            return _half_the_longest(case, Reason.FAILING_AGAIN)
        case Blame.OUTSIDE:  # the first is tried again at once
            waits = case.lineage.waiting is not None
            return wait_for(case, Reason.FAILING_AGAIN, rule) if waits else None
        case Blame.PROGRAM | Blame.LIMIT:
            again = case.confirmed or case.ledger.by_program >= CONFIRMED
            seconds = _CONFIRM_SECONDS
            return wait_a_while(case, Reason.FAILING_AGAIN, rule, seconds) if again else None
        case _:
            assert_never(case.blame)


def _half_the_longest(case: Case, reason: Reason) -> Decision:
    """Wait at least for half of the policy's longest wait."""
    longest = case.facts.policy.backoff_max_seconds
    return wait_a_while(case, reason, case.facts.failure_rule, longest)


def _needs_a_night(case: Case) -> bool:
    """Whether a text says that it is outside, and all else that it is not: a person is asked."""
    facts = case.facts
    if not case.in_doubt or case.ledger.same < _WAITS_FOR_A_NIGHT:
        return False
    return facts.ended_at is not None and facts.observed_at - facts.ended_at < _NIGHT_SECONDS


def _has_waited(facts: Facts) -> bool:
    """Whether a wait stands on the job; one for an upload is over too soon to count."""
    return facts.recorded is not None and facts.recorded.reason != Reason.UPLOAD_PENDING
