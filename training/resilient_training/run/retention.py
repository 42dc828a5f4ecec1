"""Which checkpoints of a lineage stay, so that whatever resumes finds what it needs. Pure.

Deletable at all is only what nobody can miss by surprise: a COMMITTED version that a run of the
lineage logged, that `resilient-run` made, whose step is known, and that bears no alias and no tag.
Of these stay what the controller may choose next, what this job may come back to, and a ladder.

Age is counted in steps, not in hours: what a checkpoint is worth is the training that lies behind
it. A lineage that waited a week for capacity would lose its ladder to a clock, and a wrong clock
all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resilient_training.checkpoints.versions import may_begin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from resilient_training.checkpoints.versions import Version
    from resilient_training.job import Job

# With one alone, a newest version that cannot be loaded leaves nothing close behind it.
FEWEST = 2
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Listed:
    """One version of the collection, logged by a run of the lineage, as W&B shows it.

    Attributes:
        by_wrapper: Whether its metadata are those that `resilient-run` writes.
        marks: Aliases and tags, `latest` and whatever a training or a person gave. `vN` is none.
        attempt: Which one logged it, by its metadata.
        store: Where its bytes are, by its metadata; None: in W&B.
    """

    version: Version
    committed: bool = True
    by_wrapper: bool = True
    marks: frozenset[str] = field(default_factory=frozenset)
    attempt: int | None = None
    store: str | None = None

    @property
    def name(self) -> str:
        return self.version.name

    @property
    def step(self) -> int:
        return self.version.step or 0

    @property
    def rank(self) -> tuple[int, int]:
        """The order in which the controller prefers them (decide/checkpoints.py)."""
        return self.step, self.version.number


def kept(
    versions: Iterable[Listed],
    job: Job,
    keep: int,
    made: Collection[str],
    wanted: str | None = None,
) -> frozenset[str]:
    """The names (`vN`) of the versions that stay.

    Args:
        versions: Of the lineage's collection, by the lineage's runs; in any order and any state.
        job: The attempt that asks; it alone may delete.
        keep: How many of the newest good ones stay, at least 2.
        made: The names that W&B gave to the commits of this very process. What else says that it is
            this attempt's, anybody may have written who may write to the project.
        wanted: A version (`vN`) that the job's tags name.
    """
    return frozenset(reasons(versions, job, keep, made, wanted))


def reasons(
    versions: Iterable[Listed],
    job: Job,
    keep: int,
    made: Collection[str],
    wanted: str | None = None,
) -> Mapping[str, str]:
    """Why each version that stays does, by name; the first reason that holds. As `kept`."""
    everything = sorted(versions, key=lambda one: one.rank, reverse=True)
    found: dict[str, str] = {}
    for why, ones in _rules(everything, job, max(keep, FEWEST), frozenset(made), wanted):
        for one in ones:
            found.setdefault(one.name, why)
    return found


def _rules(
    everything: Sequence[Listed], job: Job, keep: int, made: frozenset[str], wanted: str | None
) -> Iterator[tuple[str, Iterable[Listed]]]:
    good = [one for one in everything if is_good(one, job)]
    own = [one for one in good if one.name in made]
    if not own:
        yield "this attempt has committed none yet", everything
        return
    reached = own[0].step
    pin = None if job.pin is None else job.pin.version
    yield "not of resilient-run, not committed, or of no step", filter(_is_untouchable, everything)
    yield "has an alias or a tag", (one for one in everything if one.marks)
    yield "pinned", (one for one in everything if one.name in {pin, wanted})
    yield "newest", good[:keep]
    yield "newest of this attempt", own[:keep]
    # A container that was restarted begins with what it made in its life before.
    yield "newest of this job", [one for one in good if may_begin(job, one.version)][:keep]
    yield "newest of its store", newest_of_each_store(good)
    yield "ahead of this attempt", (one for one in good if one.step > reached)
    for anchor in everything:
        if anchor.marks or anchor.name == pin:
            yield f"before {anchor.name}", newest_of_each_store(_before(good, anchor))
    yield "ladder", ladder(good, reached)


def is_good(one: Listed, job: Job) -> bool:
    """Whether a successor may resume from it, as far as this side knows."""
    excluded = one.version.suspect or one.name in job.rejected
    return not excluded and not _is_untouchable(one)


def _is_untouchable(one: Listed) -> bool:
    return not one.committed or not one.by_wrapper or one.version.step is None


def _before(good: Iterable[Listed], anchor: Listed) -> list[Listed]:
    """Those that the walk back from the anchor comes to; one of no step ranks by its number."""
    if anchor.version.step is None:
        return [one for one in good if one.version.number < anchor.version.number]
    return [one for one in good if one.rank < anchor.rank]


def newest_of_each_store(newest_first: Iterable[Listed]) -> Iterable[Listed]:
    """Which stores the controller's stack allows, nobody here knows: each may be the only one."""
    found: dict[str | None, Listed] = {}
    for one in newest_first:
        found.setdefault(one.store, one)
    return found.values()


def ladder(newest_first: Iterable[Listed], reached: int) -> Iterable[Listed]:
    """The oldest version of each rung; a rung is twice as far behind `reached` as the one before.

    The oldest: it stays until it is as far behind as the next rung, so each rung is filled from the
    one before it. The newest of a rung would be pushed out by whatever comes after it, and no
    version would ever grow old.
    """
    rungs: dict[int, Listed] = {}
    for one in newest_first:
        if one.step < reached:
            rungs[(reached - one.step).bit_length()] = one
    return rungs.values()


def newer_attempt(versions: Iterable[Listed], job: Job) -> int | None:
    """The number of an attempt after this one that has committed; None: there is none to see."""
    attempts = [one.attempt for one in versions if one.attempt is not None]
    return max((number for number in attempts if number > job.attempt), default=None)


def plan_line(versions: Sequence[Listed], victims: Sequence[Listed], keep: int) -> str:
    """What is going to be deleted, for the log."""
    shown = ", ".join(f"{one.name} (step {one.step})" for one in victims[:_MOST_SHOWN])
    more = f" and {len(victims) - _MOST_SHOWN} more" if len(victims) > _MOST_SHOWN else ""
    stay = len(versions) - len(victims)
    return (
        f"--keep {keep}: {stay} of {len(versions)} checkpoints stay; to be deleted: {shown}{more}"
    )


def refusal(job: Job, environment: Mapping[str, str]) -> str | None:
    """Why `--keep` cannot be safe here, and what to do; None: it can."""
    if environment.get("WANDB_MODE", "online") != "online":
        return "--keep needs W&B: WANDB_MODE is not online, so nothing is there to be kept"
    if job.on_sagemaker and job.arn is None:
        return (
            "--keep needs TRAINING_JOB_ARN: the job's tags say when it must delete nothing any"
            " more; set it, or leave --keep out"
        )
    return None
