"""The table of a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resilient_training.check.trial import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_training.check.compare import Part

_GREEN, _RED, _YELLOW, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLOURS = {
    Verdict.SAME: _GREEN,
    Verdict.SAID: _YELLOW,
    Verdict.SILENT: _RED,
    Verdict.LOST: _RED,
}
_WORDS = {True: "equal", False: "differs", None: "-"}


def lines_of(title: str, outcome: Outcome, *, colours: bool = False) -> Iterator[str]:
    """The table of one break."""
    yield f"{title}: {painted(outcome.verdict, colours=colours)}"
    if outcome.why:
        yield f"  {outcome.why}"
    if outcome.resumed_from is not None:
        yield f"  resumed from step {outcome.resumed_from}"
    for part in outcome.parts:
        yield f"  {part.name:<18}{_WORDS[part.same]:<9}{part.detail}".rstrip()
    for notice in outcome.notices:
        yield f"  said: {notice}"


def painted(verdict: Verdict, *, colours: bool) -> str:
    return f"{_COLOURS[verdict]}{verdict.value}{_PLAIN}" if colours else verdict.value


def record_of(title: str, outcome: Outcome) -> dict[str, Any]:
    """The same for a program."""
    return {
        "break": title,
        "verdict": outcome.verdict.name.lower(),
        "resumed_from": outcome.resumed_from,
        "why": outcome.why,
        "said": list(outcome.notices),
        "parts": [_record(part) for part in outcome.parts],
    }


def _record(part: Part) -> dict[str, Any]:
    return {"name": part.name, "same": part.same, "detail": part.detail}
