"""A history as lines that a person can follow."""

from collections.abc import Iterator

from proofs.matrix.line import Act, Call, Taken
from proofs.matrix.run import Run
from proofs.matrix.stage import NIGHT


def trace(run: Run) -> Iterator[str]:
    """What happened, one line each, until it was only repeated."""
    for one in run.stage.line.history[: run.repeated_from]:
        yield f"{one.place:4} {_clock(one.at)} {_told(one)}"


def _told(one: Call | Act | Taken) -> str:
    match one:
        case Call():
            flags = "".join(
                f" ({name})" for name, is_so in (("stale", one.stale), ("late", one.late)) if is_so
            )
            answer = f"refused: {one.refused}" if one.refused else "done"
            return f"{_who(one)} {one.step}: {answer}{flags}"
        case Act():
            return f"a person or the training: {one.what} {one.job}"
        case Taken():
            verdict = one.standing.get("resilience:verdict", "no verdict")
            return f"{_who(one)} ends: {one.delivery.outcome}; {verdict}"


def _who(one: Call | Taken) -> str:
    return f"[{one.delivery.process} {one.delivery.number}]"


def _clock(at: int) -> str:
    seconds = at - NIGHT
    return f"+{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
