"""The matrix as a table, with what cannot be and what is assumed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from proofs.matrix.assumptions import assumptions
from proofs.matrix.cells import Outcome
from proofs.matrix.faults import Fault
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.trace import trace

_LETTERS = dict(zip(Situation, "ABCDEFGHIJKLMNOP", strict=False))


@dataclass(slots=True)
class Results:
    outcomes: list[Outcome] = field(default_factory=list)
    impossible: dict[str, list[Cell]] = field(default_factory=lambda: defaultdict(list))

    @property
    def bad(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.violated]

    @property
    def runs(self) -> int:
        return sum(one.runs for one in self.outcomes)


def report(results: Results, seconds: float, of_processor: float) -> Iterator[str]:
    yield from _table(results.outcomes)
    yield ""
    yield from (f"  {letter}  {situation}" for situation, letter in _LETTERS.items())
    yield from _impossible(results)
    yield from _assumed(results.outcomes)
    yield ""
    ran, held = len(results.outcomes), len(results.outcomes) - len(results.bad)
    took = f"{seconds:.0f} s, {of_processor:.0f} of them on the processor"
    yield f"{ran} cells ran ({results.runs} runs), {held} held, in {took}"
    if results.bad:
        yield from _violations(results.bad)


def in_short(setting: str, results: Results, seconds: float) -> Iterator[str]:
    """One line for the cells under a doubt, and what they violate."""
    ran, held = len(results.outcomes), len(results.outcomes) - len(results.bad)
    yield f"{setting}: {ran} cells ran, {held} held, in {seconds:.0f} s"
    if results.bad:
        yield from _violations(results.bad)


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    ran = Counter((one.cell.fault, one.cell.situation) for one in outcomes)
    bad = Counter((one.cell.fault, one.cell.situation) for one in outcomes if one.violated)
    yield "calls that held, of those that ran, by fault and situation"
    yield " " * 24 + "".join(f"{letter:>7}" for letter in _LETTERS.values())
    for fault in Fault:
        columns = [_held(ran[fault, one], bad[fault, one]) for one in Situation]
        yield f"{fault:24}" + "".join(f"{text:>7}" for text in columns)


def _held(ran: int, bad: int) -> str:
    if not ran:
        return "."
    return str(ran) if not bad else f"{ran - bad}/{ran}!"


def _impossible(results: Results) -> Iterator[str]:
    total = sum(map(len, results.impossible.values()))
    yield ""
    yield f"{total} cells cannot be:"
    for reason, cells in sorted(results.impossible.items(), key=lambda one: -len(one[1])):
        yield f"{len(cells):6}  {reason}"


def _assumed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    assumed = Counter(found for one in outcomes for found in assumptions(one.cell))
    yield ""
    yield "assumed:"
    for (name, text), count in assumed.items():
        yield f"{count:6}  {name}: {text}"


def _violations(bad: Sequence[Outcome]) -> Iterator[str]:
    yield ""
    for text, count in Counter(one.violated[0] for one in bad).most_common():
        yield f"{count:6}  {text}"
    worst = min(bad, key=lambda one: one.worst.repeated_from if one.worst else 0)
    yield ""
    yield f"the shortest: {worst.cell}"
    yield from (f"  violates {text}" for text in worst.violated)
    if worst.worst is not None:
        yield from trace(worst.worst)
