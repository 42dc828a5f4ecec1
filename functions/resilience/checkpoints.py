"""Which checkpoint to resume from, and how far the attempt came. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from resilience.decisions import Checkpoint, Facts, Progress

_NEWEST = ("latest", "")


@dataclass(frozen=True, slots=True)
class Choice:
    """The checkpoint chosen, if any, and why each better one was passed over."""

    chosen: Checkpoint | None
    passed_over: tuple[tuple[str, str], ...]
    alias_missing: bool = False


def lineage_run(told: str | None, collection: str, checkpoints: Iterable[Checkpoint]) -> str | None:
    """Find whose versions count.

    That is the run that was told; else the one that `model-<run id>` names, if it made any; else
    the maker of the newest version.
    """
    if told is not None:
        return told
    newest_first = sorted(checkpoints, key=lambda c: int(c.version[1:]), reverse=True)
    makers = [c.run for c in newest_first if c.run is not None]
    named = collection.removeprefix("model-")
    return named if named in makers else next(iter(makers), None)


def progress(facts: Facts) -> Progress:
    """Compare the newest good step with the one this attempt started from.

    Unknown stays unknown: a version without a step, or a question that W&B did not answer, says
    nothing about how far the attempt came.
    """
    newest = newest_step(facts)
    started = facts.lineage.started_step if facts.lineage else None
    if newest is None or started is None:
        return Progress.UNKNOWN
    if newest == started:
        return Progress.SAME
    return Progress.ADVANCED if newest > started else Progress.REGRESSED


def newest_step(facts: Facts) -> int | None:
    """The highest step that the lineage's own run committed; 0 where it committed nothing."""
    if facts.lookup != "found":
        return None
    good = [c for c in facts.checkpoints if _fault(c, facts.run, ()) is None]
    steps = [c.step for c in good if c.step is not None]
    if len(steps) < len(good):
        return None
    return max(steps, default=0)


def choose(facts: Facts, rejected: Iterable[str]) -> Choice:
    """Take the highest good step, or the version that the wanted alias names.

    Versions whose step is unknown come after all whose step is known, newest first: their order
    is all there is.
    """
    barred = frozenset(rejected)
    alias = facts.request.alias if facts.request else "latest"
    ranked = sorted(facts.checkpoints, key=_rank, reverse=True)
    if alias not in _NEWEST:
        named = [c for c in ranked if alias in (*c.aliases, c.version)]
        usable = [c for c in named if _fault(c, facts.run, barred) is None]
        faults = tuple(
            (c.version, str(_fault(c, facts.run, barred))) for c in named if c not in usable
        )
        return Choice(usable[0] if usable else None, faults, alias_missing=not usable)
    passed_over: list[tuple[str, str]] = []
    for checkpoint in ranked:
        fault = _fault(checkpoint, facts.run, barred)
        if fault is None:
            return Choice(checkpoint, tuple(passed_over))
        passed_over.append((checkpoint.version, fault))
    return Choice(None, tuple(passed_over))


def _fault(checkpoint: Checkpoint, run: str | None, rejected: Iterable[str]) -> str | None:
    if not checkpoint.committed:
        return "not_committed"
    if run is not None and checkpoint.run != run:
        return "other_run"
    if "suspect" in checkpoint.aliases:
        return "suspect"
    if checkpoint.version in rejected:
        return "rejected"
    return None


def _rank(checkpoint: Checkpoint) -> tuple[bool, int, int]:
    step = checkpoint.step
    return (step is not None, step if step is not None else 0, int(checkpoint.version[1:]))
