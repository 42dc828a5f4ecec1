"""The simulation's calendar: when people look, and what a weekend is. All times are UTC."""

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE, HOUR, DAY, WEEK = 60, 3_600, 86_400, 604_800
MONDAY = 1_767_571_200  # 2026-01-05T00:00:00Z
FOR_EVER = 1 << 40

_OPENS, _CLOSES = 9 * HOUR, 17 * HOUR
_READS_A_MAIL_WITHIN = 3 * HOUR
_FRIDAY, _SATURDAY = 4, 5


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which something is so."""

    begin: int
    end: int

    @property
    def seconds(self) -> int:
        return self.end - self.begin


def inside(windows: Sequence[Window], instant: int) -> Window | None:
    return next((one for one in windows if one.begin <= instant < one.end), None)


def overlap(windows: Sequence[Window], begin: int, end: int) -> int:
    """Seconds of this span in which at least one of the windows is open."""
    covered, at = 0, begin
    for one in sorted(windows, key=lambda window: window.begin):
        low, high = max(at, one.begin), min(end, one.end)
        if high > low:
            covered, at = covered + high - low, high
    return covered


def is_working_day(instant: int) -> bool:
    return (instant - MONDAY) // DAY % 7 < _SATURDAY


def next_morning(instant: int) -> int:
    """9 a.m. of the next working day that begins after this instant."""
    morning = instant - (instant - MONDAY) % DAY + _OPENS
    while morning <= instant or not is_working_day(morning):
        morning += DAY
    return morning


def next_look(mailed: int) -> int:
    """When a person has read a mail: within hours of a working day, else the next morning."""
    of_day = (mailed - MONDAY) % DAY
    at_work = is_working_day(mailed) and _OPENS <= of_day < _CLOSES - _READS_A_MAIL_WITHIN
    return mailed + _READS_A_MAIL_WITHIN if at_work else next_morning(mailed)


def friday(week: int, hour: float) -> int:
    return MONDAY + week * WEEK + _FRIDAY * DAY + round(hour * HOUR)


def stamp(instant: int, since: int) -> str:
    """Weekday and hour, and how long after the launch."""
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    day, rest = divmod(instant - MONDAY, DAY)
    hours, minutes = rest // HOUR, rest % HOUR // MINUTE
    return f"{days[day % 7]} {hours:02}:{minutes:02} (+{(instant - since) / HOUR:.1f} h)"
