"""Which checkpoint to resume from, and how far the attempt came. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resilience.decide.decisions import Checkpoint, Facts, Lookup, Progress, Upload

_NEWEST = "latest"
# By this alias a person bars a version. An alias is on one version at a time, so a training whose
# loss diverged, which may have several to bar, writes `suspect-vN` on each.
SUSPECT = "suspect"
# Its bytes lie where they may not: only a person can say that they may (ADR 28).
STORE_NOT_ALLOWED = "store_not_allowed"
_EXCLUDING = re.compile(r"suspect(?:-v[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Choice:
    """The checkpoint chosen, if any, and why each better one was passed over."""

    chosen: Checkpoint | None
    passed_over: tuple[tuple[str, str], ...]
    alias_missing: bool = False


def progress(facts: Facts) -> Progress:
    """Compare what this attempt committed with the highest step that its lineage ever had.

    A version that was there before, such as one that an alias or a walk-back went past, is no work
    of its own; nor is a step that an earlier attempt had reached. A version of its own whose step
    nobody told is work. A lookup that W&B did not answer says nothing.
    """
    if facts.lookup is not Lookup.FOUND:
        return Progress.UNKNOWN
    reached = _reached(facts)
    steps = [one.step for one in _good(facts) if is_own(one, facts)]
    advanced = any(step is None or step > reached for step in steps)
    return Progress.ADVANCED if advanced else Progress.SAME


def has_saved(facts: Facts) -> bool:
    """Whether this attempt committed anything, be it only what was there before."""
    return any(is_own(one, facts) for one in _good(facts))


def best_step(facts: Facts) -> int:
    """The highest step that the lineage ever had, this attempt's included; -1: none is known."""
    own = (one.step for one in _good(facts) if is_own(one, facts))
    return max((_reached(facts), *(step for step in own if step is not None)))


def _reached(facts: Facts) -> int:
    """The highest step that the lineage had before this attempt."""
    lineage = facts.lineage
    if lineage is None:
        return -1
    started = lineage.started_step if lineage.started_from is not None else None
    return max(lineage.ledger.best, -1 if started is None else started)


def newest_number(facts: Facts) -> int:
    """The highest version number there is or ever was, for the next attempt to measure from."""
    before = facts.lineage.ledger.seen if facts.lineage else -1
    return max((before, *(one.number for one in facts.checkpoints)))


def is_own(checkpoint: Checkpoint, facts: Facts) -> bool:
    """Whether this very attempt made it: by the job that its metadata names.

    A version that names no job, as a script without this project's callbacks logs it, is the
    attempt's where it came after the launch, and the attempt has trained.
    """
    return _is_of_the_attempt(checkpoint.job, checkpoint.number, facts)


def may_be_own(upload: Upload, facts: Facts) -> bool:
    """Whether this very attempt may have begun to upload it.

    An upload that an earlier attempt's death cut off stays pending for ever, and ends no more.
    """
    return _is_of_the_attempt(upload.job, upload.number, facts)


def _is_of_the_attempt(job: str | None, number: int | None, facts: Facts) -> bool:
    if job is not None:
        return job == facts.job
    if number is None:
        return True
    if facts.lineage is None or not facts.started:
        return False
    return number > facts.lineage.ledger.seen


def excludes(alias: str) -> bool:
    return _EXCLUDING.fullmatch(alias) is not None


def is_suspect(version: str, facts: Facts) -> bool:
    return any(
        one.version == version and any(map(excludes, one.aliases)) for one in facts.checkpoints
    )


def choose(facts: Facts, rejected: Iterable[str]) -> Choice:
    """Take the highest good step, or the version that the wanted alias names; else walk back.

    Versions of the training side, whose resume can load them, come before what a callback of
    somebody else's logs into the same collection (`WANDB_LOG_MODEL`). Those whose step is unknown
    come after all whose step is known, newest first: their order is all there is.
    """
    excluded = frozenset(rejected)
    ranked = sorted(facts.checkpoints, key=_rank, reverse=True)
    first = _named(facts, ranked)
    if first is None:
        return Choice(None, (), alias_missing=True)
    passed_over: list[tuple[str, str]] = []
    for place, checkpoint in enumerate(ranked):
        fault = _fault(checkpoint, facts, excluded)
        if place < first and fault in {None, STORE_NOT_ALLOWED}:
            fault = "not_named"  # to allow its store would not help
        if fault is None:
            return Choice(checkpoint, tuple(passed_over))
        passed_over.append((checkpoint.version, fault))
    return Choice(None, tuple(passed_over))


def _named(facts: Facts, ranked: list[Checkpoint]) -> int | None:
    """The place of the version that the wanted alias names; None: it names none of ours."""
    alias = facts.request.alias if facts.request else _NEWEST
    if alias == _NEWEST:
        return 0
    ours = (
        place
        for place, one in enumerate(ranked)
        if alias in (*one.aliases, one.version) and not _is_foreign(one, facts)
    )
    return next(ours, None)


def _good(facts: Facts) -> Iterator[Checkpoint]:
    rejected = facts.lineage.rejected if facts.lineage else ()
    return (one for one in facts.checkpoints if _fault(one, facts, rejected) is None)


def _is_foreign(checkpoint: Checkpoint, facts: Facts) -> bool:
    return facts.request is None or checkpoint.run not in facts.request.runs


def _fault(checkpoint: Checkpoint, facts: Facts, rejected: Iterable[str]) -> str | None:
    if not checkpoint.committed:
        return "not_committed"
    if _is_foreign(checkpoint, facts):
        return "other_run"
    if any(map(excludes, checkpoint.aliases)):
        return SUSPECT
    if checkpoint.version in rejected:
        return "rejected"
    # Last: what is said to be lacking is all that is.
    return STORE_NOT_ALLOWED if checkpoint.version in dict(facts.store_faults) else None


def _rank(checkpoint: Checkpoint) -> tuple[bool, bool, int, int]:
    step = checkpoint.step
    return (checkpoint.hashed, step is not None, step or 0, checkpoint.number)
