"""What the losses of both runs say of the resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resilient_training.run.check.comparison import Closeness, Comparison, Kind, closeness
from resilient_training.run.check.findings import Finding, Judged, Mark, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resilient_training.run.check.comparison import Pair
    from resilient_training.run.check.losses import Loss

_LATER = "let it train longer before its first checkpoint, or seed it, so that losses can tell"


def judge(
    first: Sequence[Loss], compared: Comparison, repeats: Callable[[], bool | None]
) -> Judged:
    """Decide on what the losses show.

    Args:
        first: The losses of the run that was killed.
        compared: These beside those after the resume.
        repeats: Resumes once more, and says whether that printed the same as the first resume;
            None: it printed nothing.
    """
    match compared.kind:
        case Kind.UNKNOWN:
            return _judged(Verdict.UNKNOWN, Mark.NONE, compared.why)
        case Kind.SAME:
            return _same(compared)
        case Kind.AGAIN:
            text = "as at the very beginning: the checkpoint was not resumed from"
            return _judged(Verdict.LOST, Mark.BAD, _with_shown(text, compared.pairs[0]))
        case Kind.DRIFTS | Kind.DIFFERS:
            return _differing(first, compared, repeats)


def _same(compared: Comparison) -> Judged:
    count, digits = len(compared.pairs), min(pair.first.digits for pair in compared.pairs)
    anew = ", though its steps are counted anew" if compared.counts_anew else ""
    text = f"{count} after the checkpoint are the same in all printed digits ({digits}){anew}"
    return _judged(Verdict.SAME, Mark.OK, text)


def _differing(
    first: Sequence[Loss], compared: Comparison, repeats: Callable[[], bool | None]
) -> Judged:
    shown = next(pair for pair in compared.pairs if not pair.same)
    match closeness(first, compared.pairs):
        case Closeness.FRESH:
            text = "nearer to the beginning than to the checkpoint: the weights were not loaded"
            return _judged(Verdict.LOST, Mark.BAD, _with_shown(text, shown))
        case Closeness.FAR:
            text = "far from those before the kill: not all that matters was restored"
            return _judged(Verdict.SILENT, Mark.BAD, _with_shown(text, shown))
        case Closeness.UNKNOWN if compared.counts_anew:
            text = "not those of the checkpoint, and its steps begin at the beginning again"
            return _judged(Verdict.LOST, Mark.BAD, _with_shown(text, shown))
        case _ if compared.kind is Kind.DRIFTS:
            return _drifting(shown, repeats)
        case Closeness.UNKNOWN:
            text = f"different, and the loss had not moved enough to tell from what: {_LATER}"
            return _judged(Verdict.UNKNOWN, Mark.NONE, _with_shown(text, shown))
        case Closeness.NEAR:
            text = "near, not the same: the order of the data, dropout or a seed differs"
            return _judged(Verdict.NEAR, Mark.NONE, _with_shown(text, shown))


def _drifting(shown: Pair, repeats: Callable[[], bool | None]) -> Judged:
    """The weights came back. Chance is what a second resume from the same checkpoint shows."""
    match repeats():
        case True:
            text = (
                "the same at first, then not, and each resume differs in the same way: the weights"
                " came back, the state of the optimizer, the schedule or the randomness did not"
            )
            return _judged(Verdict.SILENT, Mark.BAD, _with_shown(text, shown))
        case False:
            text = "near: two resumes of one checkpoint differ too (kernels, or no seed)"
        case None:
            text = "near; whether chance differs cannot be said: it resumed no second time"
    return _judged(Verdict.NEAR, Mark.NONE, _with_shown(text, shown))


def _with_shown(text: str, pair: Pair) -> str:
    where = pair.first.where or "first"
    return f"{text} ({where}: {pair.second.text}, was {pair.first.text})"


def _judged(verdict: Verdict, mark: Mark, text: str) -> Judged:
    return Judged(verdict, Finding("losses", mark, text))
