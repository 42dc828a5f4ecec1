"""The stack's two switches as text: the mode, which people set, and the breaker, which trips. Pure.

Neither is the stack's own, and neither need exist: no word means the ceiling, and closed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from resilience.decide import naming
from resilience.decide.breaker import UNREADABLE, Breaker, Circuit
from resilience.decide.decisions import Mode
from resilience.wire import words

_CAUSE = re.compile(r"([a-z_]{1,40}(/[0-9a-f]{8})?)?")
_MOST_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Switches:
    mode: Mode
    breaker: Breaker


def text_of(breaker: Breaker) -> str:
    """Write the state as JSON; what has its default is left out."""
    members = {
        "state": str(breaker.state),
        "since": words.stamp(breaker.since),
        "cause": breaker.cause,
        "probe": breaker.probe,
        "died_within": breaker.died_within,
        "mailed": words.stamp(breaker.mailed) if breaker.mailed else "",
    }
    return json.dumps({name: value for name, value in members.items() if value})


def breaker_of(text: str, written: int) -> Breaker:
    """Read the state: JSON of ours, or one word of a person's, `open` or `closed`.

    What nobody can read is open, for it is not "closed"; and open since it was written, so that the
    sweep tries one job after an hour and writes the state anew. A typo costs hours, not a fleet.
    """
    word = text.strip().lower()
    if word in set(Circuit):
        return Breaker(state=Circuit(word), since=written)
    try:
        members = json.loads(text)
        return _read(members, written)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Breaker(state=Circuit.OPEN, since=written, cause=UNREADABLE)


def _read(members: Mapping[str, object], written: int) -> Breaker:
    """Raises ValueError for what is not ours: these words stand in the log and in a mail."""
    cause, probe = str(members.get("cause", "")), str(members.get("probe", ""))
    if not _CAUSE.fullmatch(cause) or (probe and not naming.is_job_name(probe)):
        raise ValueError
    since = members.get("since")
    return Breaker(
        state=Circuit(str(members.get("state"))),
        since=written if since is None else _instant(since, written),
        cause=cause,
        probe=probe,
        died_within=_seconds(members.get("died_within", 0)),
        mailed=_instant(members["mailed"], written) if "mailed" in members else 0,
    )


def _instant(value: object, written: int) -> int:
    """A time after the write is another clock's, or a slip of the hand."""
    instant = words.instant(str(value))
    if instant is None:
        raise ValueError
    return min(instant, written)


def _seconds(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MOST_SECONDS:
        raise ValueError
    return value
