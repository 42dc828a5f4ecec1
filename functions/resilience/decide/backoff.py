"""How long to wait: exponential back-off with full jitter. A wait never becomes a stop. Pure."""

import hashlib
from dataclasses import replace

from resilience.decide.attempts import Case
from resilience.decide.decisions import Decision, Facts, Reason, Verdict, Waiting

_MOST_DOUBLINGS = 30  # beyond any sensible longest wait


def wait_for(case: Case, reason: Reason, rule: str) -> Decision:
    """Wait with exponential back-off and full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter" (2015): delay = U(0, min(cap, base·2ⁿ)).
    The draw is a hash of job and n, so a decision replays to the same second.
    """
    so_far = _so_far(case)
    return _until(case, reason, rule, case.facts.observed_at + _delay(case.facts, so_far.times))


def wait_a_while(case: Case, reason: Reason, rule: str, seconds: int) -> Decision:
    """Wait between `seconds` and twice as long, and no longer than the policy's longest wait."""
    times = _so_far(case).times
    least = min(seconds, case.facts.policy.backoff_max_seconds // 2)
    drawn = round(_draw(f"{case.facts.job}/{times}") * least)
    return _until(case, reason, rule, case.facts.observed_at + max(1, least + drawn))


def _until(case: Case, reason: Reason, rule: str, due: int) -> Decision:
    so_far = _so_far(case)
    return replace(
        case.verdict(Verdict.WAIT, reason, rule),
        due=due,
        waiting=replace(so_far, times=so_far.times + 1),
    )


def _so_far(case: Case) -> Waiting:
    """A wait goes on over looks at one job and over attempts that did no work."""
    now, so_far = case.facts.observed_at, case.lineage.waiting
    is_own = case.facts.recorded is not None  # else it is what the attempts before have waited
    if so_far is None or (case.advanced and not is_own):
        return Waiting(0, now)
    # A start in the future is another clock's.
    return replace(so_far, since=min(so_far.since, now))


def _delay(facts: Facts, times: int) -> int:
    doublings = min(times, _MOST_DOUBLINGS)
    base, longest = facts.policy.backoff_base_seconds, facts.policy.backoff_max_seconds
    return max(1, round(_draw(f"{facts.job}/{times}") * min(longest, base << doublings)))


def _draw(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
