"""What lasts: services that are down for hours, modes that flip, names used again, whole fleets.

Each chapter is one world that goes on for as long as it takes, with a sweep every five minutes and
with nobody who redrives a dead letter. Then everything heals, what was switched off is switched on,
and the invariants decide; and the chapter says what must have come of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.replaying.event import captured
from proofs.matrix import deployment, replay
from proofs.matrix.cells import record_of
from proofs.matrix.invariants import violations
from proofs.matrix.line import Taken
from proofs.matrix.mails import DAY
from proofs.matrix.run import Run, come_to_rest
from proofs.matrix.stage import Connections, Stage

EVERY = 300
RARELY = 59 * 60  # the longest that template.yaml takes
# One for each sweep of a day, and some for events, waits and reminders.
MOST_MESSAGES_A_DAY = DAY // EVERY + 32

Script = Callable[[Stage], str | None]  # what went wrong on the way, if anything did


@dataclass(frozen=True, slots=True)
class Chapter:
    """A story that lasts, and what must have come of it."""

    name: str
    script: Script
    verdicts: Mapping[str, str]  # by job, at rest
    mails: Mapping[str, int] = field(default_factory=dict)  # by subject
    others: int = 0  # mails of other subjects that may be sent
    dead: int = 0  # messages that may have died

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a chapter."""

    chapter: Chapter
    violated: tuple[str, ...]
    run: Run
    mails: int
    messages: int


def live(stage: Stage, seconds: int, every: int = EVERY) -> None:
    """Let the stack run for so long: messages as they come, and its sweeps."""
    until = stage.clock() + seconds
    next_sweep = stage.clock() + every
    while stage.clock() < until:
        while stage.receive():
            stage.line.land_late()
        moments = (next_sweep, until, stage.queue.next_visible(), stage.account.next_due())
        soonest = min(one for one in moments if one is not None)
        stage.pass_by(max(1, int(soonest) - stage.clock()))
        if stage.clock() >= next_sweep:
            stage.sweep()
            next_sweep = stage.clock() + every


def tell(chapter: Chapter, connections: Connections) -> Told:
    with captured() as printed, deployment.entry_wired_here():
        stage = Stage(connections)
        missed = chapter.script(stage)
        dead = len(stage.queue.dead)
        run = come_to_rest(stage, printed, redrives=False)
    mails = Counter(str(one["Subject"]) for one in stage.account.told)
    wrong = () if missed is None else (missed,)
    broken = (
        *wrong,
        *violations(record_of(run)),
        *replay.of_lineages(record_of(run)),
        *_otherwise(chapter, run, mails, dead),
        *_flood(run),
    )
    return Told(chapter, broken, run, mails.total(), len(stage.queue.sent))


def _otherwise(chapter: Chapter, run: Run, mails: Counter[str], dead: int) -> Iterator[str]:
    for job, verdict in chapter.verdicts.items():
        found = run.rest.tags[job].get("resilience:verdict")
        if found != verdict:
            yield f"{job} rests with {found}, and not with {verdict}"
    for subject, count in chapter.mails.items():
        if mails[subject] != count:
            yield f"{subject!r} was sent {mails[subject]} times, and not {count}"
    others = mails.total() - sum(mails[subject] for subject in chapter.mails)
    if others > chapter.others:
        yield f"{others} mails that nobody expects, {chapter.others} at most: {dict(mails)}"
    if dead > chapter.dead:
        yield f"{dead} dead letters, {chapter.dead} at most"


def _flood(run: Run) -> Iterator[str]:
    """Too many messages about one job in a day."""
    taken: Counter[tuple[str, int]] = Counter()
    seen: set[tuple[str, Any]] = set()
    for one in run.stage.line.history[: run.repeated_from]:
        if isinstance(one, Taken) and one.delivery.job:
            key = (one.delivery.job, one.delivery.message)
            taken[one.delivery.job, one.at // DAY] += key not in seen
            seen.add(key)
    for (job, _), count in taken.items():
        if count > MOST_MESSAGES_A_DAY:
            yield f"{count} messages about {job} in a day"


def report(told: list[Told]) -> Iterator[str]:
    yield "what lasts: verdicts, notifications and messages as they should be"
    for one in told:
        held = "holds" if not one.violated else "DOES NOT HOLD"
        yield f"  {one.chapter.name:64} {one.mails:3} mails {one.messages:5} messages  {held}"
        yield from (f"    violates {text}" for text in one.violated)
