"""A lineage as tags: what a successor is born with, written and read. Pure (docs/contract.md)."""

import re
from collections.abc import Mapping

from resilience.decide.decisions import Ledger, Lineage, Successor, Waiting
from resilience.decide.naming import is_job_name, successor_name
from resilience.failures import FailureClass
from resilience.wire import tags
from resilience.wire.words import (
    UnreadableTagError,
    instant,
    is_whole,
    stamp,
    step_of,
    step_word,
    version,
    whole,
)

_CLASSES = frozenset(map(str, FailureClass))
# A ledger's fields beside the class counts, by their words; one that has its default is left out.
_LEDGER_FIELDS = {
    "refused": "refused",
    "unpaid": "unpaid",
    "row": "without_work",
    "code": "by_program",
    "lost": "lost_seconds",
    "same": "same",
    "after": "after",
    "best": "best",
    "seen": "seen",
}
_EMPTY_LEDGER = "new"
_PLACE = re.compile(r"[0-9a-f]{8}")


def read(job: str, own: Mapping[str, str]) -> Lineage:
    """Place a job in its lineage; raises UnreadableTagError where our own tags make no sense.

    Lineage tags count only on the job whose name they give: a person who clones a successor with
    its tags starts a lineage of their own. On that job all of them must be there: a ledger that is
    gone is not an empty one.
    """
    root, attempt = own.get(tags.ROOT), own.get(tags.ATTEMPT)
    if root is None or attempt is None or not is_attempt(job, own):
        # A clone has its model's start of waiting until it is decided on itself.
        inherited = root is not None and tags.VERDICT not in own
        return Lineage(
            root=job, attempt=1, waiting=None if inherited else _waiting(own.get(tags.WAITING))
        )
    try:
        started_from, step = own[tags.CHECKPOINT], own[tags.CHECKPOINT_STEP]
        ledger = _ledger(own[tags.LEDGER])
    except KeyError as missing:
        raise UnreadableTagError("a part of the lineage's tags is gone") from missing
    return Lineage(
        root=root,
        attempt=int(attempt),
        started_from=None if started_from == tags.NO_CHECKPOINT else version(started_from),
        started_step=step_of(step),
        ledger=ledger,
        rejected=tuple(version(word) for word in own.get(tags.REJECTED, "").split()),
        waiting=_waiting(own.get(tags.WAITING)),
    )


def is_attempt(job: str, own: Mapping[str, str]) -> bool:
    """Whether root and attempt are those that give the job its name."""
    root, attempt = own.get(tags.ROOT, ""), own.get(tags.ATTEMPT, "")
    if not (is_whole(attempt) and is_job_name(root)):
        return False
    return int(attempt) > 1 and job == successor_name(root, int(attempt))


def inherited(parent_tags: Mapping[str, str]) -> dict[str, str]:
    """What a successor takes over: the tags that people and tools have set, overrides included."""
    return {
        key: value
        for key, value in parent_tags.items()
        if not key.lower().startswith("aws:") and key not in tags.OF_ONE_JOB
    }


def in_collection(own: Mapping[str, str], collection: str) -> dict[str, str]:
    """A job's tags that name this collection, by the alias that they name."""
    if tags.CHECKPOINT_NAME not in own:
        return dict(own)
    _, colon, alias = own[tags.CHECKPOINT_NAME].partition(":")
    return {**own, tags.CHECKPOINT_NAME: f"{collection}{colon}{alias}"}


def of_successor(parent_tags: Mapping[str, str], successor: Successor) -> dict[str, str]:
    """All tags of a successor: the parent's own, then the lineage's."""
    own = inherited(parent_tags)
    if tags.COMPLETED in own:
        own[tags.COMPLETED] = tags.UNFINISHED
    checkpoint = successor.checkpoint
    return own | {
        tags.ROOT: successor.root,
        tags.PARENT: successor.parent,
        tags.ATTEMPT: str(successor.attempt),
        tags.CHECKPOINT: checkpoint.version if checkpoint else tags.NO_CHECKPOINT,
        tags.CHECKPOINT_STEP: step_word(checkpoint.step if checkpoint else 0),
        tags.LEDGER: ledger_text(successor.ledger),
        **({tags.REJECTED: " ".join(successor.rejected)} if successor.rejected else {}),
        **({tags.WAITING: waiting_text(successor.waiting)} if successor.waiting else {}),
    }


def ledger_text(ledger: Ledger) -> str:
    """Write a ledger as words; an empty one is `new`."""
    words = [f"{name}={count}" for name, count in ledger.ends]
    words += [
        f"{word}={getattr(ledger, name)}"
        for word, name in _LEDGER_FIELDS.items()
        if getattr(ledger, name) != getattr(Ledger(), name)
    ]
    if ledger.place:
        words.append(f"place={ledger.place}")
    return " ".join(words) or _EMPTY_LEDGER


def _ledger(text: str) -> Ledger:
    if text == _EMPTY_LEDGER:
        return Ledger()
    words = [word.partition("=")[::2] for word in text.split()]
    given = dict(words)
    place = given.pop("place", "")
    known = given.keys() <= _CLASSES | _LEDGER_FIELDS.keys() and (given or place)
    if (
        not known
        or len(words) != len(given) + bool(place)
        or (place and not _PLACE.fullmatch(place))
    ):
        raise UnreadableTagError("not a ledger of ours")
    counts = {name: whole(count) for name, count in given.items()}
    return Ledger(
        ends=tuple(sorted((name, count) for name, count in counts.items() if name in _CLASSES)),
        place=place,
        **{_LEDGER_FIELDS[word]: counts[word] for word in _LEDGER_FIELDS if word in counts},
    )


def waiting_text(waiting: Waiting) -> str:
    return f"{waiting.times} {stamp(waiting.since)}"


def _waiting(text: str | None) -> Waiting | None:
    if not text:
        return None
    times, _, since = text.partition(" ")
    started = instant(since)
    if started is None:
        raise UnreadableTagError("a waiting tag without its start")
    return Waiting(times=whole(times), since=started)
