"""The table of what the controller's judgement costs, its aims beside it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proofs.judge.mix import LENGTH_CLASSES, LONGEST
from proofs.judge.record import Record
from proofs.judge.week import DAY, HOUR

Records = Sequence[Record]
_COLUMNS = (*(name for name, _ in LENGTH_CLASSES), LONGEST)
_WORST_GROUPS, _LONGEST_STORY = 6, 24
_HEAD, _WIDTH = 46, 11


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    measure: Callable[[Records], float | None]
    form: str = ".1f"
    aim: float | None = None


def share_wrong(records: Records) -> float | None:
    able = [one for one in records if one.recoverable]
    return 100 * sum(one.wrongly_stopped for one in able) / len(able) if able else None


def attempts_mean(records: Records) -> float | None:
    hopeless = [one.hopeless_billed for one in records if one.hopeless]
    return sum(hopeless) / len(hopeless) if hopeless else None


def attempts_worst(records: Records) -> float | None:
    return max((one.hopeless_billed for one in records if one.hopeless), default=None)


def hours_in_vain(records: Records) -> float | None:
    hopeless = [one.hopeless_seconds for one in records if one.hopeless]
    return sum(hopeless) / len(hopeless) / HOUR if hopeless else None


def launches_mean(records: Records) -> float | None:
    hopeless = [one.hopeless_launches for one in records if one.hopeless]
    return sum(hopeless) / len(hopeless) if hopeless else None


def hours_lost(records: Records) -> float | None:
    return sum(one.lost_steps for one in records if one.recoverable) / HOUR


def idle_mean(records: Records) -> float | None:
    able = [one.idle for one in records if one.recoverable]
    return sum(able) / len(able) / HOUR if able else None


def mails_mean(records: Records) -> float | None:
    days = sum(one.days for one in records)
    return sum(len(one.mails) for one in records) / days if days else None


def came_back(records: Records) -> float:
    return sum(one.came_back > 0 for one in records)


def rows(*, mixed: bool) -> tuple[Row, ...]:
    return (
        Row("lineages", len, ".0f"),
        Row("recoverable, stopped wrongly, %", share_wrong, aim=4 if mixed else 2),
        Row(
            "  days idle until a person looks",
            lambda some: sum(one.idle_until_a_person_looks for one in some) / DAY,
        ),
        Row("training avoidably lost, h", hours_lost, aim=0),
        Row(
            "  by uploads that took over 90 s, h",
            lambda some: sum(one.lost_late for one in some if one.recoverable) / HOUR,
        ),
        Row("idle though all was well, h each", idle_mean, ".2f"),
        Row("hopeless: attempts that trained, mean", attempts_mean, ".2f", aim=1),
        Row("  worst", attempts_worst, ".0f", aim=3),
        Row("  hours trained in vain, mean", hours_in_vain, ".2f"),
        Row("  launches, those that never started too", launches_mean, ".2f"),
        Row("came back after a person's stop", came_back, ".0f", aim=0),
        Row("mails a lineage and day", mails_mean, ".2f"),
        Row(
            "  most on one day",
            lambda some: max((one.most_mails_in_a_day for one in some), default=None),
            ".0f",
        ),
        Row("dead letters", lambda some: sum(one.dead_letters for one in some), ".0f"),
    )


def missed(records: Records, *, mixed: bool) -> list[str]:
    """The rows whose aim is missed over all lineages."""
    found = []
    for row in rows(mixed=mixed):
        value = row.measure(records)
        if row.aim is not None and value is not None and value > row.aim:
            found.append(row.what.strip())
    return found


def table(records: Records, *, mixed: bool) -> Iterator[str]:
    by_length = {
        name: [one for one in records if one.case.length_class == name] for name in _COLUMNS
    }
    names = ("all", "aim", *_COLUMNS)
    yield " " * _HEAD + "".join(f"{name:>{_WIDTH}}" for name in names)
    for row in rows(mixed=mixed):
        aim = "" if row.aim is None else f"<= {row.aim:g}" if row.aim else "0"
        cells = [_cell(row, records), aim, *(_cell(row, by_length[name]) for name in _COLUMNS)]
        yield f"{row.what:{_HEAD}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _cell(row: Row, records: Records) -> str:
    value = row.measure(records) if records else None
    return "-" if value is None else format(value, row.form)


def by_trouble(records: Records) -> Iterator[str]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for one in records:
        groups[one.case.truth.trouble].append(one)
    names = ("lineages", "wrong %", "lost h", "idle h", "hopeless", "worst", "mails/d")
    yield f"{'made for':24}" + "".join(f"{name:>{_WIDTH}}" for name in names)
    measures: tuple[tuple[Callable[[Records], float | None], str], ...] = (
        (len, ".0f"), (share_wrong, ".1f"), (hours_lost, ".1f"), (idle_mean, ".2f"),
        (attempts_mean, ".2f"), (attempts_worst, ".0f"), (mails_mean, ".2f"),
    )  # fmt: skip
    for trouble, some in sorted(groups.items()):
        cells = [_cell(Row("", measure, form), some) for measure, form in measures]
        yield f"{trouble:24}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def worst_groups(records: Records) -> Iterator[str]:
    """What is stopped wrongly, by trouble and reason; one story of each."""
    wrong = [one for one in records if one.wrongly_stopped]
    groups = Counter((one.case.truth.trouble, one.reason) for one in wrong)
    for (trouble, reason), count in groups.most_common(_WORST_GROUPS):
        yield f"{count} x {trouble}: {reason}"
        of_group = (
            one for one in wrong if (one.case.truth.trouble, one.reason) == (trouble, reason)
        )
        yield from _cut(min(of_group, key=lambda one: len(one.story)).told())


def costly(records: Records) -> Iterator[str]:
    """One story each of training lost, of a hopeless lineage, and of one that came back."""
    measures: dict[str, Callable[[Record], int]] = {
        "most training lost": lambda one: one.lost_steps * one.recoverable,
        "most attempts on a hopeless lineage": lambda one: one.hopeless_billed * one.hopeless,
        "came back after a person's stop": lambda one: one.came_back,
    }
    for what, measure in measures.items():
        worst = max(records, key=measure)
        if measure(worst):
            yield what
            yield from _cut(worst.told())


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= _LONGEST_STORY:
        return lines
    head, tail = lines[: _LONGEST_STORY // 3], lines[-2 * _LONGEST_STORY // 3 :]
    return [*head, f"  ... {len(lines) - len(head) - len(tail)} lines ...", *tail]
