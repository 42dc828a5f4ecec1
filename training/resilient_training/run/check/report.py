"""The report of a check: findings in the order in which things happened, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resilient_training.run.check.comparison import Comparison, Kind, compare
from resilient_training.run.check.findings import Finding, Judged, Mark, Verdict
from resilient_training.run.check.judging import judge
from resilient_training.run.check.losses import Loss, main_source, series
from resilient_training.run.ends import CHECKPOINT_UNUSABLE
from resilient_training.run.load_evidence import blames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resilient_training.run.check.one_run import Progress, Ran
    from resilient_training.run.check.trial import Tried

_FEWEST = 2
_SHOWN = 20
_COLOURS = {0: "\x1b[32m", 1: "\x1b[31m", 2: "\x1b[33m", 3: "\x1b[33m"}
_PLAIN = "\x1b[0m"
_MEGA = 1e6


@dataclass(frozen=True)
class Report:
    verdict: Verdict
    findings: tuple[Finding, ...]
    facts: dict[str, Any]


def report_of(tried: Tried, target: str, again: Callable[[], Ran]) -> Report:
    """Judge what was seen.

    Args:
        tried: What was seen.
        target: Where the files of a checkpoint would go.
        again: Resumes once more; asked for where it helps to tell chance from a fault.
    """
    judged, compared = _judged(tried, again)
    after = _next(tried.second)
    verdict = judged.verdict
    if verdict is Verdict.SAME and after is not None and after.mark is Mark.BAD:
        verdict = Verdict.NEAR
    found = (
        *_checkpoint(tried, target),
        *_resume(tried),
        _begin(tried, compared),
        judged.finding,
        after,
    )
    facts = _facts(tried, compared)
    return Report(verdict, tuple(one for one in found if one is not None), facts)


def _checkpoint(tried: Tried, target: str) -> Iterator[Finding]:
    kept, progress = tried.kept, tried.first.progress
    began = progress.kept_at if progress is not None else None
    when = (
        f", complete {began - progress.begun:.0f} s after the start" if progress and began else ""
    )
    files = kept.files
    yield Finding("layout", Mark.OK, tried.layout)
    yield Finding("checkpoint", Mark.OK, f"{kept.name} (number {kept.step}){when}")
    size = f"{len(files.files)} files, {files.size / _MEGA:.3f} MB"
    yield Finding("upload", Mark.NONE, f"{size} would go to {target}")


def _resume(tried: Tried) -> Iterator[Finding]:
    second = tried.second
    if second.progress is None:
        yield Finding("restore", Mark.BAD, second.why)
        return
    text = f"{second.restore_seconds:.1f} s from a folder, each file verified by its sha256"
    yield Finding("restore", Mark.OK, text)
    added = " ".join(second.arguments) or "no arguments: it looks for checkpoints by itself"
    yield Finding("started with", Mark.NONE, added)


def _judged(tried: Tried, again: Callable[[], Ran]) -> tuple[Judged, Comparison]:
    first, second = _losses_of(tried)
    compared = compare(first, second, _before(first, tried))
    failed = _failed(tried)
    if failed is not None:
        return failed, compared
    if tried.second.code == 0 and not second:
        text = "it ended with 0 and printed none: give it more steps than its first checkpoint has"
        return Judged(Verdict.UNKNOWN, Finding("losses", Mark.NONE, text)), compared
    return judge(first, compared, lambda: _repeats(second, again())), compared


def _failed(tried: Tried) -> Judged | None:
    """Why the resumed training came to nothing; None: it trained."""
    second = tried.second
    if second.progress is None:
        # A full disk says nothing of the training.
        verdict = Verdict.LOST if second.code == CHECKPOINT_UNUSABLE else Verdict.UNKNOWN
        return Judged(verdict, Finding("losses", Mark.NONE, "none: it was not started"))
    if second.silent:
        text = "nothing was heard of it for --stalled-after"
        return Judged(Verdict.LOST, Finding("load", Mark.BAD, text))
    if second.code in {None, 0}:
        return None
    folder = None if second.restored is None else second.restored.folder
    own = not second.progress.heard.losses and folder is not None and blames(second.why, folder)
    hint = "; in a job this is exit code 65, and an older checkpoint is tried" if own else ""
    text = f"it ended with {second.code}: {second.why}{hint}"
    return Judged(Verdict.LOST, Finding("load", Mark.BAD, text))


def _losses_of(tried: Tried) -> tuple[list[Loss], list[Loss]]:
    first, second = _heard(tried.first), _heard(tried.second)
    source = main_source(first)
    return series(first, source), series(second, source)


def _heard(ran: Ran) -> list[Loss]:
    return [] if ran.progress is None else ran.progress.heard.losses


def _before(first: Sequence[Loss], tried: Tried) -> int:
    return sum(1 for loss in first if loss.at <= tried.kept.written_at)


def _repeats(second: Sequence[Loss], third: Ran) -> bool | None:
    """Whether two resumes print the same; None: there is too little to say."""
    source = second[0].source
    both = list(zip(second, series(_heard(third), source), strict=False))
    if len(both) < _FEWEST:
        return None
    return all(one.text == other.text for one, other in both)


def _begin(tried: Tried, compared: Comparison) -> Finding | None:
    second = _losses_of(tried)[1]
    if not second:
        return None
    told = tried.second.progress.heard.told if tried.second.progress else []
    says = f'; its log says "{told[0]}"' if told else "; its log does not speak of resuming"
    where = second[0].where
    if compared.counts_anew or compared.kind is Kind.AGAIN:
        mark = Mark.NONE if compared.kind is Kind.SAME else Mark.BAD
        return Finding("begin", mark, f"at {where or 'its beginning'} again{says}")
    return Finding(
        "begin", Mark.OK if where else Mark.NONE, f"at {where or 'an unnamed step'}{says}"
    )


def _next(second: Ran) -> Finding | None:
    progress = second.progress
    if progress is None or second.code not in {None, 0}:
        return None
    if progress.complete:
        text = f"{progress.complete[0]} was complete {_when(progress)} after the resume"
        return Finding("next one", Mark.OK, text)
    if second.code == 0:
        return Finding("next one", Mark.NONE, "it ended before another checkpoint was due")
    notes = "; ".join(progress.notes()) or "nothing new was seen in the folder"
    return Finding(
        "next one", Mark.BAD, f"none in {progress.seconds:.0f} s after the resume: {notes}"
    )


def _when(progress: Progress) -> str:
    return f"within {progress.seconds:.0f} s"


def _facts(tried: Tried, compared: Comparison) -> dict[str, Any]:
    kept = tried.kept
    return {
        "layout": kept.files.layout,
        "checkpoint": kept.name,
        "step": kept.step,
        "files": len(kept.files.files),
        "bytes": kept.files.size,
        "restore_seconds": round(tried.second.restore_seconds, 3),
        "compared": compared.kind.name.lower(),
        "losses_compared": len(compared.pairs),
        "losses": [
            {"at": one.first.where, "was": one.first.text, "is": one.second.text, "same": one.same}
            for one in compared.pairs[:_SHOWN]
        ],
    }


def lines_of(report: Report, *, colours: bool = False) -> Iterator[str]:
    word = report.verdict.value
    paint = _COLOURS[report.verdict.code]
    yield f"resumed after kill -9: {f'{paint}{word}{_PLAIN}' if colours else word}"
    for one in report.findings:
        yield f"  {one.name:<14}{one.mark.value:<5}{one.text}"


def record_of(report: Report) -> dict[str, Any]:
    """The same for a program."""
    return {
        "verdict": report.verdict.name.lower(),
        "exit_code": report.verdict.code,
        **report.facts,
        "findings": [
            {"name": one.name, "mark": one.mark.name.lower(), "text": one.text}
            for one in report.findings
        ],
    }
