"""The fleet breaker: many lineages that die soon, of one cause, wait while one at a time is tried.

A circuit breaker (M. Nygard, "Release It!", 2007): closed, open, half open. Pure: the sweep counts,
moves the state and is its only writer beside a person; each decision reads it.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

OPEN_SECONDS = 3600
# Attempts that died sooner than the lineage's own rules take for paid (attempts._PAYS_SECONDS).
SOON_SECONDS = 3600
_SHORTEST_TRIAL_SECONDS = 600
_MAIL_SECONDS = 86_400
_OF_A_SIGNATURE = "/"
SEVERAL, UNREADABLE = "several", "unreadable"


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Trial(StrEnum):
    """What became of the one that was let through."""

    PENDING = "pending"
    WORKS = "works"
    DIED = "died"
    NO_ANSWER = "no_answer"  # it never trained, or another rule holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state, as the parameter holds it and as each decision logs it."""

    state: Circuit = Circuit.CLOSED
    since: int = 0  # epoch seconds: the begin of this state
    cause: str = ""  # of the last trip: a failure class, or a class and a signature
    probe: str = ""  # half open: the ended job whose successor is the trial
    died_within: int = 0  # seconds that the longest of the counted attempts trained
    mailed: int = 0  # epoch seconds: the last notification

    def holds(self, job: str, cause: str) -> bool:
        """Whether a job that did no work, and died of this cause, waits.

        What is outside strikes all, whatever they say of it. What is in a program strikes those
        that die with the same words; nobody else waits for them.
        """
        if self.state is Circuit.CLOSED or self.tries(job):
            return False
        return strikes_all(self.cause) or self.cause == cause

    def tries(self, job: str) -> bool:
        return self.state is Circuit.HALF_OPEN and self.probe == job

    @property
    def trial_seconds(self) -> int:
        """How long a successor must train to show that the cause is gone."""
        return max(_SHORTEST_TRIAL_SECONDS, self.died_within)


def strikes_all(cause: str) -> bool:
    return _OF_A_SIGNATURE not in cause


def cause(failure_class: str, signature: str, *, outside: bool) -> str:
    """Name what an attempt died of.

    One incident outside has many wordings; errors of two programs have a class in common, and no
    cause.
    """
    return failure_class if outside else f"{failure_class}{_OF_A_SIGNATURE}{signature}"


def counted(
    breaker: Breaker, deaths: Mapping[str, Collection[int]], threshold: int, now: int
) -> Breaker:
    """Open where so many lineages died of one cause; hold back more where it is another one.

    `deaths` are the seconds that each attempt trained, one for a lineage, by cause.
    """
    known = {breaker.cause} if breaker.state is not Circuit.CLOSED else set()
    many = {one for one, seconds in deaths.items() if len(seconds) >= threshold}
    if not may_trip(breaker) or not many - known:
        return breaker
    return replace(
        breaker,
        state=Circuit.OPEN,
        since=now,
        cause=_in_one(many | known),
        probe="",
        died_within=max(seconds for one in many for seconds in deaths[one]),
    )


def may_trip(breaker: Breaker) -> bool:
    """Whether there is anything that it does not hold yet."""
    return breaker.state is Circuit.CLOSED or not strikes_all(breaker.cause)


def _in_one(causes: Collection[str]) -> str:
    """One name for them: of what is outside if any is, for that holds all."""
    wide = sorted(one for one in causes if strikes_all(one))
    narrow = SEVERAL if len(causes) > 1 else next(iter(causes))
    return wide[0] if wide else narrow


def is_due(breaker: Breaker, now: int) -> bool:
    """Whether it has been open for long enough to try one."""
    return breaker.state is Circuit.OPEN and now - breaker.since >= OPEN_SECONDS


def let_one_through(breaker: Breaker, held: Collection[str], now: int) -> Breaker:
    """Try one of the jobs that wait, another one each time; with nobody waiting, close."""
    if not held:
        return _closed(breaker, now)
    probe = min(held, key=lambda job: hashlib.sha256(f"{breaker.since}/{job}".encode()).digest())
    return replace(breaker, state=Circuit.HALF_OPEN, since=now, probe=probe)


def answered(breaker: Breaker, trial: Trial, held: Collection[str], now: int) -> Breaker:
    """Close when the trial works; when it dies, of whatever, hold back for another hour."""
    match trial:
        case Trial.PENDING:
            return breaker
        case Trial.WORKS:
            return _closed(breaker, now)
        case Trial.DIED:
            return replace(breaker, state=Circuit.OPEN, since=now, probe="")
        case Trial.NO_ANSWER:
            return let_one_through(breaker, held, now)
        case _:
            assert_never(trial)


def _closed(breaker: Breaker, now: int) -> Breaker:
    """The cause stays, so that the same one is not mailed twice within a day."""
    return replace(breaker, state=Circuit.CLOSED, since=now, probe="")


def is_mail_due(before: Breaker, after: Breaker, now: int) -> bool:
    """Whether people are notified: of a new cause at once, of one that stays once a day."""
    if after.state is Circuit.CLOSED:
        return False
    return after.cause != before.cause or now - after.mailed >= _MAIL_SECONDS
