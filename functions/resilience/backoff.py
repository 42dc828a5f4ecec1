"""How long to wait: exponential back-off with full jitter, bounded by a total time. Pure."""

import hashlib
from dataclasses import replace

from resilience.attempts import NEVER_TRAINED, Case
from resilience.decisions import Decision, Facts, Reason, Verdict, Waiting

_MOST_DOUBLINGS = 30  # beyond any sensible longest wait


def wait_for(case: Case, reason: Reason, rule: str) -> Decision:
    """Wait with exponential back-off and full jitter, bounded by a total time.

    Source: M. Brooker, "Exponential Backoff And Jitter" (2015): delay = U(0, min(cap, base·2ⁿ)).
    The draw is a hash of job and n, so a decision replays to the same second.
    """
    facts, policy = case.facts, case.facts.policy
    so_far = _wait_so_far(case) or Waiting(0, facts.observed_at)
    # A start in the future is another clock's, and would stretch the wait.
    so_far = replace(so_far, since=min(so_far.since, facts.observed_at))
    ends_at = so_far.since + policy.wait_total_seconds
    if facts.observed_at >= ends_at:
        return case.verdict(
            Verdict.STOP, Reason.WAIT_TIME_EXHAUSTED, rule, f"after {policy.wait_total_seconds} s"
        )
    due = min(facts.observed_at + _delay(facts, so_far.times), ends_at)
    if facts.scheduled is not None:  # an earlier try drew another second; the schedule stands
        due = max(facts.scheduled, facts.observed_at + 1)
    return replace(
        case.verdict(Verdict.WAIT, reason, rule),
        due=due,
        waiting=replace(so_far, times=so_far.times + 1),
    )


def _delay(facts: Facts, times: int) -> int:
    doublings = min(times, _MOST_DOUBLINGS)
    base, longest = facts.policy.backoff_base_seconds, facts.policy.backoff_max_seconds
    return max(1, round(_draw(f"{facts.job}/{times}") * min(longest, base << doublings)))


def _wait_so_far(case: Case) -> Waiting | None:
    """A wait goes on over looks at one job and over attempts that never started, no further."""
    goes_on = case.facts.judged is not None or case.failure_class in NEVER_TRAINED
    return case.lineage.waiting if goes_on else None


def _draw(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
